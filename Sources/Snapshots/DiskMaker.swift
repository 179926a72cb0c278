import Host
import SystemPackage

/// Makes a VM's writable disk so that its name appears only once it is whole and durable.
struct DiskMaker: Sendable {
    /// Bytes of the file system that stay free, whatever is asked.
    let reserve: UInt64
    /// Who may read and write the disk.
    let permissions: FilePermissions

    /// Makes the disk unless something lies there.
    ///
    /// - Returns: whether it was made.
    func make(_ disk: WritableDisk, label: String) async throws(SnapshotError) -> Bool {
        let folder = disk.path.removingLastComponent()
        guard let name = disk.path.lastComponent?.string else {
            throw .failed("\(disk.path) is no path of a disk", isTransient: false)
        }
        do {
            if try isThere(disk.path) { return false }
            try Directory.create(folder)
            try sweep(folder, of: name)
            try requireSpace(in: folder, for: disk)
        } catch {
            throw .init(error)
        }
        let temporary = folder.appending("\(prefix(name))\(UInt64.random(in: 0 ... .max))\(suffix)")
        do {
            // The lock tells another process that sweeps that this one is at work.
            let file = try openTemporary(temporary, size: WritableDisk.actualSize(for: disk.size))
            try await Ext4.format(temporary, label: label)
            return try publish(file, at: disk.path)
        } catch {
            removeAfterFailure(temporary)
            throw error
        }
    }

    /// Whether a disk lies there. Anything but a regular file is an error: nothing is put in its place.
    private func isThere(_ path: FilePath) throws(FileError) -> Bool {
        guard let status = try FileStatus.of(path) else { return false }
        guard status.kind == .regular else { throw FileError("use as a disk", path, .invalidArgument) }
        return true
    }

    private func requireSpace(in folder: FilePath, for disk: WritableDisk) throws(FileError) {
        let available = try FileSystemStatus.of(folder).availableBytes
        // The disk is sparse: making it takes its metadata only, at most a thousandth and a few blocks.
        let needed = WritableDisk.actualSize(for: disk.size) / 1024 + (1 << 20)
        let (floor, overflow) = reserve.addingReportingOverflow(needed)
        guard !overflow, available >= floor else {
            throw FileError(
                "make the disk with only \(available >> 20) MiB free, \(reserve >> 20) MiB of them the reserve,",
                disk.path,
                .noSpace
            )
        }
    }

    private func openTemporary(_ path: FilePath, size: UInt64) throws(SnapshotError) -> File {
        do {
            let file = try File(
                path,
                .readWrite,
                options: [.create, .exclusiveCreate],
                permissions: permissions
            )
            _ = try file.tryLock()
            try file.setPermissions(permissions)
            try file.truncate(to: size)
            return file
        } catch { throw .init(error) }
    }

    /// Gives the finished file its name. Another process may have been first: its disk stays.
    private func publish(_ file: File, at path: FilePath) throws(SnapshotError) -> Bool {
        do {
            try file.synchronize()
            do {
                try Directory.rename(file.path, to: path, replacing: false)
            } catch  where error.errno == .fileExists {
                try Directory.unlink(file.path)
                return false
            }
            try Directory.synchronize(path.removingLastComponent())
            return true
        } catch { throw .init(error) }
    }

    /// Removes what a killed process left behind.
    private func sweep(_ folder: FilePath, of disk: String) throws(FileError) {
        for name in try Directory.names(in: folder).map(\.string)
        where name.hasPrefix(prefix(disk)) && name.hasSuffix(suffix) {
            let leftover = folder.appending(name)
            let file: File
            do { file = try File(leftover, .readWrite, options: .noFollow) } catch { continue }
            if try file.tryLock() { try Directory.unlink(leftover) }
        }
    }

    /// The failure that led here is what the caller hears; a leftover is swept by the next attempt.
    private func removeAfterFailure(_ temporary: FilePath) { _ = try? Directory.unlink(temporary) }

    private func prefix(_ name: String) -> String { ".\(name).making." }
    private var suffix: String { ".tmp" }
}
