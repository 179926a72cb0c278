import Host
import ImageBackend
import OCI
import Snapshots
import Store
public import SystemPackage

extension FilePermissions {
    /// Folders of VMs: for the agent's user, readable by its group, which the hypervisor runs in.
    static var vmFolder: FilePermissions { FilePermissions(rawValue: 0o750) }
}

extension VMs {
    /// Binds a VM if it is not bound, makes its disks if it has none, and publishes its config, in this order: whoever
    /// sees the config finds all that it names. Nothing is bound that no config can be made for.
    func render(_ request: VMRequest, _ binding: VMRecord?, _ step: inout VMPlan.Step) async throws {
        guard let digest = step.requestDigest, let file = step.file else { return }
        let (image, inputs, config) = try await config(for: request, binding, digest: digest)
        let renderer = ConfigRenderer(settings: settings, identity: try identity())
        step.warnings = try await bootWarnings(request, image, boot: try renderer.bootFiles(request, image))
        let record = VMRecord(
            name: request.name,
            request: file,
            requestDigest: digest,
            reference: request.image,
            image: image.image,
            keys: image.keys
        )
        if record != binding { try await store.setVM(record) }
        let vmFolder = settings.folder(of: request.name)
        try await prepareDisk(request, record, vmFolder)
        let permissions = settings.permissions
        let guest = try renderer.guest(request, image)
        let guestDisk = settings.guestDisk(of: request.name)
        let written = try await onThread(named: "vm config") { _ in
            if let guest {
                try AtomicFile.write(try guest.diskImage(), to: guestDisk, permissions: permissions)
            }
            try AtomicFile.write(config, to: vmFolder.config, permissions: permissions)
            if guest == nil, try FileStatus.of(guestDisk) != nil { try Directory.unlink(guestDisk) }
            return try FileStatus.of(vmFolder.config).map(FileIdentity.init)
        }
        rendered[request.name] = written.map { Rendered(inputs: inputs, config: $0) }
        try await say(step, bound: image.image, configDigest: Digest.sha256(of: config))
    }

    /// The config that a request leads to, on the layers it is bound to or else on what its image is now. What cannot
    /// be is remembered, so as not to be tried in every pass.
    func config(
        for request: VMRequest,
        _ binding: VMRecord?,
        digest: Digest
    ) async throws -> (image: VMConfiguration, inputs: VMObservation.Inputs, bytes: [UInt8]) {
        let image = try await configuration(request, binding)
        let inputs = VMObservation.Inputs(request: digest, image: image.image, keys: image.keys)
        do {
            let bytes = try ConfigRenderer(settings: settings, identity: try identity()).render(
                request,
                image
            )
            refused[request.name] = nil
            return (image, inputs, bytes)
        } catch let problem as RequestFile.Problem {
            // Where links lead may change by itself, all else only with the inputs.
            refused[request.name] =
                problem.reason == .pathNotAllowed
                ? nil : VMObservation.Refusal(inputs: inputs, problem: problem)
            throw problem
        }
    }

    /// What may keep a VM from booting.
    ///
    /// - Throws: what certainly does, as a problem of the request. It is not remembered: a profile's kernel may be put
    ///   right at any time.
    private func bootWarnings(
        _ request: VMRequest,
        _ image: VMConfiguration,
        boot: BootConfig
    ) async throws -> [String] {
        var findings = try await images.bootFindings(image, boot: boot)
        let arguments = request.kernelArguments?.split(separator: " ") ?? []
        if arguments.contains(where: { $0.hasPrefix("init=") }) {
            findings.removeAll { $0.code == .initMissing || $0.code == .nothingToRun }
        }
        if let error = findings.first(where: { $0.severity == .error }) {
            throw RequestFile.Problem(reason: .bootInvalid, message: error.message)
        }
        return findings.map(\.message)
    }

    private func configuration(_ request: VMRequest, _ binding: VMRecord?) async throws -> VMConfiguration {
        let selection: VMImage.Selection =
            binding.map { .bound(image: $0.image, keys: $0.keys) } ?? .query(request.image)
        let found = try await images.config([VMImage(name: request.name, selection: selection)])
        guard let image = found.first else {
            throw ImageError(
                .notFound,
                "the image backend says nothing of \(request.image)",
                isTransient: true
            )
        }
        return image
    }

    private func prepareDisk(_ request: VMRequest, _ record: VMRecord, _ vmFolder: VMFolder) async throws {
        try Directory.create(vmFolder.path, permissions: .vmFolder)
        try Directory.synchronize(settings.vms)
        let size = request.diskSize ?? settings.defaults.diskSize
        _ = try await snapshots.prepare(
            request.name,
            parent: ChainID.of(record.keys.map(\.diffID)),
            disk: WritableDisk(path: vmFolder.writableDisk, size: size)
        )
    }

    /// The bytes of `config.json` that a request file would lead to, without writing, binding or making anything.
    ///
    /// - Throws: ``VMError``.
    public func render(_ file: FilePath) async throws -> [UInt8] {
        do {
            let parsed = try RequestFile.read(file)
            if case .problem(let problem) = parsed.content { throw problem }
            guard let request = parsed.request else { throw VMError.failed("\(file) is no request") }
            let binding = try await store.vm(request.name)
            let image = try await configuration(request, binding)
            return try ConfigRenderer(settings: settings, identity: try identity()).render(request, image)
        } catch { throw VMError(describing: error) }
    }

    /// What tells this folder of VMs from that of another host with VMs of the same names. It moves with the folder.
    private func identity() throws -> String {
        let path = settings.vms.appending(".identity")
        if let bytes = try AtomicFile.read(path, limit: 4096), !bytes.isEmpty {
            return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        }
        try Directory.create(settings.vms, permissions: .vmFolder)
        let fresh = Digest(bytes: (0..<32).map { _ in UInt8.random(in: 0 ... .max) }).hex.prefix(32)
        try AtomicFile.write(Array("\(fresh)\n".utf8), to: path, permissions: settings.permissions)
        return String(fresh)
    }
}
