public import GarbageCollection
import Host
public import Logging
public import OCI
public import Store
import Synchronization
public import SystemPackage

/// Snapshots as the store and the folder of VMs hold them.
///
/// Committed ones are the layer stacks of the store's images, active ones its VM bindings. Nothing is kept beside
/// those: what other processes commit, bind or remove is seen at once.
public final class StoreSnapshotter: Snapshotter {
    private let store: Store
    private let vms: FilePath
    private let maker: DiskMaker
    private let templates: DiskTemplates
    private let logger: Logger
    /// ChainIDs seen in the store: saves reading all images for every VM prepared. One that is gone meanwhile does
    /// no harm, since a VM is bound before its disk is made, and the binding keeps the layers.
    private let knownChains = Mutex<Set<Digest>>([])

    /// Creates a snapshotter.
    ///
    /// - Parameters:
    ///   - store: the store.
    ///   - vms: the folder of VMs, absolute.
    ///   - reserve: bytes of the file system that stay free: with less, no disk is made.
    ///   - permissions: of the disks.
    ///   - logger: hears of disks made and removed.
    public init(
        store: Store,
        vms: FilePath,
        reserve: UInt64 = 0,
        permissions: FilePermissions = FilePermissions(rawValue: 0o640),
        logger: Logger
    ) {
        self.store = store
        self.vms = vms
        maker = DiskMaker(reserve: reserve, permissions: permissions)
        templates = DiskTemplates(store.layout.templates)
        self.logger = logger
    }

    /// The module that collects what disks were copied from when no disk of that size is left.
    public var gcModule: any Module { TemplateCollector(folder: store.layout.templates, vms: vms) }

    /// Makes the writable disk of a VM, unless it is there.
    public func prepare(
        _ key: String,
        parent: Digest?,
        disk: WritableDisk
    ) async throws(SnapshotError) -> [Mount] {
        let disks = try await disks(key, parent: parent, [disk])
        let made: [WritableDisk]
        do {
            made = try await onThread(named: "disk") { _ in
                let staged = StagedFiles()
                try Directory.create(disk.path.removingLastComponent())
                var made = try disks.stage(in: staged)
                try StagedFiles.synchronize([staged])
                let taken = try staged.publish()
                made.removeAll { taken.contains($0.path) }
                try StagedFiles.synchronizeNames([staged])
                return made
            }
        } catch let error as SnapshotError {
            throw error
        } catch let error as FileError {
            throw .init(error)
        } catch {
            throw .failed("cannot make \(disk.path): \(error)", isTransient: true)
        }
        for disk in made {
            logger.info(
                "made a disk",
                metadata: ["vm": "\(key)", "path": "\(disk.path)", "size": "\(disk.size)"]
            )
        }
        return [Mount(type: "ext4", source: disk.path.string, options: ["rw"])]
    }

    /// Checks the stack below some disks, and makes sure that there is what they are copied from.
    public func disks(
        _ key: String,
        parent: Digest?,
        _ disks: [WritableDisk]
    ) async throws(SnapshotError) -> DiskSet {
        if let relative = disks.first(where: { !$0.path.isAbsolute }) {
            throw .failed("the disk's path \(relative.path) is not absolute", isTransient: false)
        }
        if let parent { try await requireChain(parent) }
        var members: [DiskSet.Member] = []
        for disk in disks {
            var member = DiskSet.Member(disk: disk)
            if disk.content == .ext4 {
                member.template = try await templates.template(WritableDisk.actualSize(for: disk.size))
            }
            members.append(member)
        }
        return DiskSet(members: members, maker: maker)
    }

    /// What a hypervisor attaches, bottom first.
    public func mounts(_ key: String) async throws(SnapshotError) -> [Mount] {
        switch try await find(key) {
        case .committed(let keys): return try await layerMounts(keys)
        case .active(let record):
            let disk = VMFolder(named: record.name, below: vms).writableDisk
            return try await layerMounts(record.keys)
                + [Mount(type: "ext4", source: disk.string, options: ["rw"])]
        }
    }

    /// What a snapshot is.
    public func stat(_ key: String) async throws(SnapshotError) -> SnapshotInfo {
        switch try await find(key) {
        case .committed(let keys): Self.info(keys)
        case .active(let record): Self.info(record)
        }
    }

    /// A stack's own is its topmost layer; what is below belongs to its parents.
    public func usage(_ key: String) async throws(SnapshotError) -> SnapshotUsage {
        switch try await find(key) {
        case .committed(let keys):
            guard let top = keys.last else { return SnapshotUsage(bytes: 0, inodes: 0) }
            return try measure([store.layout.blob(top)])
        case .active(let record):
            do {
                return try measure(try VMFolder(named: record.name, below: vms).disks())
            } catch let error as FileError { throw .init(error) } catch {
                throw .failed("\(error)", isTransient: false)
            }
        }
    }

    /// Calls `body` for every snapshot, parents before children.
    public func walk(_ body: @Sendable (SnapshotInfo) throws -> Void) async throws {
        var seen: Set<Digest> = []
        for image in try await store.images() {
            let keys = image.record.layers.map(\.key)
            for (depth, chainID) in ChainID.all(keys.map(\.diffID)).enumerated()
            where seen.insert(chainID).inserted {
                try body(Self.info(keys[...depth]))
            }
        }
        for record in try await store.vms() { try body(Self.info(record)) }
    }

    /// Removes an active snapshot with its disks and its binding.
    public func remove(_ key: String) async throws(SnapshotError) {
        guard case .active(let record) = try await find(key) else {
            throw .failed(
                "\(key) is a committed snapshot; it goes with the last image that needs it",
                isTransient: false
            )
        }
        let folder = VMFolder(named: record.name, below: vms)
        do {
            let locks = try folder.lockDisks()
            defer { withExtendedLifetime(locks) {} }
            let disks = try folder.disks()
            for disk in disks { try Directory.unlink(disk) }
            if !disks.isEmpty { try Directory.synchronize(folder.path) }
            try await store.removeVM(record.name)
        } catch let error as SnapshotError {
            throw error
        } catch let error as FileError {
            throw .init(error)
        } catch {
            throw .failed("cannot remove the binding of \(key): \(error)", isTransient: true)
        }
        logger.info("removed an active snapshot", metadata: ["vm": "\(key)"])
    }
}

extension StoreSnapshotter {
    private enum Found {
        /// A stack of layers, bottom first.
        case committed([LayerKey])
        case active(VMRecord)
    }

    private func find(_ key: String) async throws(SnapshotError) -> Found {
        do {
            guard let chainID = Digest(key) else {
                guard let record = try await store.vms().first(where: { $0.name == key }) else {
                    throw SnapshotError.notFound(key)
                }
                return .active(record)
            }
            for image in try await store.images() {
                let keys = image.record.layers.map(\.key)
                if let depth = ChainID.all(keys.map(\.diffID)).firstIndex(of: chainID) {
                    return .committed(Array(keys[...depth]))
                }
            }
            throw SnapshotError.notFound(key)
        } catch let error as SnapshotError {
            throw error
        } catch {
            throw .failed("cannot read the index: \(error)", isTransient: true)
        }
    }

    private func requireChain(_ parent: Digest) async throws(SnapshotError) {
        if knownChains.withLock({ $0.contains(parent) }) { return }
        let images: [StoredImage]
        do { images = try await store.images() } catch {
            throw .failed("cannot read the index: \(error)", isTransient: true)
        }
        let chains = Set(images.flatMap { ChainID.all($0.record.layers.map(\.key.diffID)) })
        knownChains.withLock { $0 = chains }
        guard chains.contains(parent) else { throw .notFound(parent.description) }
    }

    /// A stack's disks as a guest needs them: no layer without entries, a repeated one where it is topmost, nothing
    /// below an opaque root (overlayfs would not look through it).
    private func layerMounts(_ keys: [LayerKey]) async throws(SnapshotError) -> [Mount] {
        var mounts: [Mount] = []
        var seen: Set<LayerKey> = []
        for key in keys.reversed() {
            let found: BlobRecord?
            do { found = try await store.blob(key, leasedBy: nil) } catch {
                throw .failed("cannot read the index: \(error)", isTransient: true)
            }
            guard let blob = found else {
                throw .failed("the store has lost layer \(key); import its image again", isTransient: false)
            }
            if blob.entries > 0, seen.insert(key).inserted {
                mounts.append(Mount(type: "erofs", source: store.layout.blob(key).string, options: ["ro"]))
            }
            if blob.hasOpaqueRoot { break }
        }
        return mounts.reversed()
    }

    private func measure(_ files: [FilePath]) throws(SnapshotError) -> SnapshotUsage {
        var usage = SnapshotUsage(bytes: 0, inodes: 0)
        do {
            for file in files {
                guard let status = try FileStatus.of(file) else { continue }
                usage.bytes += status.allocatedBytes
                usage.inodes += 1
            }
        } catch { throw .init(error) }
        return usage
    }

    private static func info(_ keys: some BidirectionalCollection<LayerKey>) -> SnapshotInfo {
        let chain = ChainID.all(keys.map(\.diffID))
        return SnapshotInfo(
            key: chain.last?.description ?? "",
            kind: .committed,
            parent: chain.dropLast().last?.description
        )
    }

    private static func info(_ record: VMRecord) -> SnapshotInfo {
        SnapshotInfo(
            key: record.name,
            kind: .active,
            parent: ChainID.of(record.keys.map(\.diffID))?.description
        )
    }
}
