import Documents
import Host
import Snapshots
import SystemPackage

/// The disks that a VM has already. What is on them is the guest's: only the guest enlarges its file system, and the host
/// never reads one that a guest wrote.
enum VMDisks {
    /// Refuses to go on where a disk is gone that the published config names: it was there before the config was.
    ///
    /// - Throws: ``RequestFile/Problem`` `diskMissing`; `FileError`.
    static func requireKept(_ wishes: [WritableDisk], in folder: VMFolder) throws {
        let missing = try wishes.filter { try FileStatus.of($0.path) == nil }
        // The names alone: the root directory may have been moved.
        guard !missing.isEmpty, let bytes = try AtomicFile.read(folder.config) else { return }
        // One that was damaged by hand names nothing any more: then any disk may have been there.
        let config = try? Document.parse(bytes, file: folder.config.string, format: .json).jsonValue
        let named = Set(
            (config?["disks"]?.array ?? []).compactMap { $0["path"]?.string }.compactMap {
                FilePath($0).lastComponent
            }
        )
        let lost = missing.filter {
            $0.path.lastComponent.map { config == nil || named.contains($0) } ?? false
        }
        guard lost.isEmpty else {
            throw RequestFile.Problem(reason: .diskMissing, message: Advice.missingDisks(lost))
        }
    }

    /// Makes disks longer that the request wants larger, unless someone holds a lock on them; of those, the status says
    /// that they are to grow.
    static func grow(_ wishes: [WritableDisk], _ written: inout WrittenVM) throws {
        for wish in wishes where !written.made.contains(wish) {
            let size = WritableDisk.actualSize(for: wish.size)
            guard let status = try FileStatus.of(wish.path), status.kind == .regular, status.size < size
            else { continue }
            let file = try File(wish.path, .readWrite, options: [.noFollow, .nonBlocking])
            guard try file.tryLock() else {
                guard written.status.phase == .ready else { continue }
                written.status.phase = .waiting
                written.status.reason = .diskGrows
                let name = wish.path.lastComponent?.string ?? ""
                written.status.message = Advice.grownDisk(
                    .init(member: "the size of \(name)", size: status.size, wish: size)
                )
                continue
            }
            try file.truncate(to: size)
            try file.synchronize()
            try file.unlock()
            written.grown.append(wish)
        }
    }
}
