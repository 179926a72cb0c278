import Archives
import EROFS
import Host
import OCI
import Store
import SystemPackage

extension OCIBackend {
    /// Reads an archive of images from a pipe in one pass. Layers become blobs of the workspace as they pass, whether the
    /// manifest that lists them has come or not; where it has, nothing else is looked at.
    ///
    /// - Parameter plan: gets the images.
    func read(
        _ stream: ArchiveStream,
        _ bytes: PipeSource,
        for plan: inout ImportPlan,
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws {
        var passage = Passage(plan: plan, stream: stream, workspace: workspace, tracker: tracker)
        while true {
            let (member, told) = try await onThread(named: "read-archive") { [passage] _ in
                var passage = passage
                let member = try stream.next()
                passage.lookForLayers()
                return (member, passage)
            }
            passage = told
            guard let member else { break }
            let outcome = try await take(member, &passage)
            passage.outcomes[member.offset] = outcome
            if outcome.isUnread { tracker.report(ProgressEvent(phase: .read, bytes: bytes.bytes)) }
        }
        let images = try await onThread(named: "plan") { [passage] _ in try passage.images() }
        plan.note(passed: images, digest: bytes.digest())
    }

    private func take(_ member: PassingMember, _ passage: inout Passage) async throws -> PassedMember {
        guard let input = passage.input(of: member) else { return .passedOver }
        if let native = input.native(configuration.limits) {
            guard try await store.blob(native.key, leasedBy: passage.workspace) == nil else {
                return .known(native.digest)
            }
            _ = try await take(
                native,
                of: passage.job(input),
                in: passage.workspace,
                tracker: passage.tracker
            )
            return .taken
        }
        if let diffID = try await knownLayer(input, in: passage.workspace) { return .known(diffID) }
        guard !member.isErofs else { return .kept(try await keep(input, &passage)) }
        let job = passage.job(input)
        let image = job.image(in: passage.workspace)
        do {
            let conversion = try await slots.run {
                try await convert(job, to: image, tracker: passage.tracker)
            }
            return .converted(PassedLayer(conversion, image: image))
        } catch let error as ImageError where !passage.knowsLayers && !error.isTransient {
            // It may be anything: whoever lists it as a layer gets to hear that.
            try Directory.unlink(image)
            return .failed(error)
        }
    }

    /// The layer that a member is, if the store has it.
    private func knownLayer(_ input: LayerInput, in workspace: Workspace) async throws -> Digest? {
        var diffIDs = [input.diffID].compactMap(\.self)
        if input.diffID == nil, let digest = input.digest {
            // A plain tar is named after its diffID.
            diffIDs = [try await store.diffID(ofCompressed: digest), digest].compactMap(\.self)
        }
        for diffID in diffIDs where try await store.anyBlob(of: diffID, leasedBy: workspace) != nil {
            return diffID
        }
        return nil
    }

    /// Keeps a member as it is in a file of the workspace.
    private func keep(_ input: LayerInput, _ passage: inout Passage) async throws -> File {
        let claim = try await space.claim(input.size, for: "importing \(input.name)")
        let path = passage.job(input).image(in: passage.workspace)
        do {
            let file = try await onThread(named: "keep-member") { cancellation in
                let file = try File(path, .readWrite, options: [.create, .exclusiveCreate])
                try input.source(cancellation).copy(to: file, cancellation) { _ in }
                return file
            }
            await space.release(claim)
            return file
        } catch {
            await space.release(claim)
            throw error
        }
    }

    /// Refuses an image whose one layer came through a pipe and is an archive of images all the same: its first entries did
    /// not say so, and where it lies in a file, all are looked at before.
    func refuseArchive(_ layers: [ImportedLayer], of plan: ImportPlan) async throws {
        guard plan.isPipedLayer, let layer = layers.first,
            layer.finished.blob.entries <= configuration.archives.members
        else { return }
        let path = configuration.blobPath(layer.finished.blob.key)
        let isArchive = try await onThread(named: "look-at-layer") { _ in
            try ImageReader(file: File.regular(path)).holdsImages()
        }
        guard isArchive else { return }
        throw ImageError(
            .invalidArchive,
            "\(plan.images[0].layers[0].name) is an archive of images whose first entries could be any tar's: keep it in a "
                + "file and import that"
        )
    }
}

/// The passage of an archive of images.
private struct Passage: Sendable {
    let plan: ImportPlan
    let stream: ArchiveStream
    let workspace: Workspace
    let tracker: any Tracker
    /// What became of members, by where they lie.
    var outcomes: [UInt64: PassedMember] = [:]
    /// The wanted layers by name, once the documents that have passed tell them.
    private var layers: [String: LayerInput]?
    /// How many documents have to have passed for another look at them.
    private var enough = 1
    private var jobs = 0

    init(plan: ImportPlan, stream: ArchiveStream, workspace: Workspace, tracker: any Tracker) {
        self.plan = plan
        self.stream = stream
        self.workspace = workspace
        self.tracker = tracker
    }

    /// Whether it is known which members are layers.
    var knowsLayers: Bool { layers != nil }

    /// Looks whether the documents that have passed tell which layers are wanted: again only when there are twice as many,
    /// since all have to be read anew.
    mutating func lookForLayers() {
        guard layers == nil, stream.documents >= enough else { return }
        enough = stream.documents * 2
        guard let promised = stream.promisedImages(),
            let planned = try? plan.plannedImages(promised, bytes: { _ in .passed(.passedOver) })
        else { return }
        var layers: [String: LayerInput] = [:]
        for (image, archived) in planned.compactMap({ image in image.archived.map { (image, $0) } }) {
            for (input, layer) in zip(image.layers, archived.layers) { layers[layer.path] = input }
        }
        self.layers = layers
    }

    /// A member as an input; nil for one that is no layer of an image that is wanted.
    func input(of member: PassingMember) -> LayerInput? {
        guard let layers else {
            return LayerInput(
                name: "\(stream.name): \(member.path)",
                bytes: .passing(member),
                size: member.size,
                digest: ArchivedLayer.digest(inPath: member.path)
            )
        }
        guard var input = layers[member.path] else { return nil }
        input.bytes = .passing(member)
        return input
    }

    /// The job of taking a member.
    mutating func job(_ input: LayerInput) -> LayerJob {
        defer { jobs += 1 }
        return LayerJob(input: input, position: jobs, count: layers?.count)
    }

    /// The images, now that all has passed.
    func images() throws -> [ImportPlan.PlannedImage] {
        let archived = try stream.images()
        var outcomes = outcomes
        for layer in archived.flatMap(\.layers) where outcomes[layer.offset] == nil {
            // Its first byte is one that documents begin with.
            guard let bytes = stream.document(at: layer.offset) else { continue }
            let path = workspace.path.appending("member\(layer.offset)")
            let file = try File(path, .readWrite, options: [.create, .exclusiveCreate])
            try bytes.withUnsafeBytes { try file.writeAll($0) }
            outcomes[layer.offset] = .kept(file)
        }
        return try plan.plannedImages(archived) { layer in
            let outcome = outcomes[layer.offset] ?? .passedOver
            if case .converted(let layer) = outcome { layer.addUse() }
            return .passed(outcome)
        }
    }
}

extension ImageReader {
    /// Whether the tree is an archive of images rather than a root file system.
    fileprivate func holdsImages() throws -> Bool {
        let names = try entries(of: inode(root))
        func file(_ name: String) throws -> EROFS.Inode? {
            guard let entry = names.first(where: { $0.name.elementsEqual(name.utf8) }) else { return nil }
            let inode = try inode(entry.nid)
            return inode.kind == .regular && inode.size <= 4 << 20 ? inode : nil
        }
        if try file("oci-layout") != nil, try file("index.json") != nil { return true }
        guard let list = try file("manifest.json") else { return false }
        return ImageArchive.isDockerManifest(try readAll(list))
    }
}
