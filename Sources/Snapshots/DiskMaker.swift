public import Host
import SystemPackage

/// The disks of a VM, ready to be made: what they are copied from is there, and so is their room. Made by
/// ``Snapshotter/disks(_:parent:_:)``.
public struct DiskSet: Sendable {
    struct Member: Sendable {
        var disk: WritableDisk
        /// Nil for a disk without a file system.
        var template: DiskTemplate?
    }

    let members: [Member]
    let maker: DiskMaker

    /// Makes what is not there yet of the disks in temporary files, which get their names when the files are published.
    /// A disk that is there is left as it is, whatever its size. The folder has to be there.
    ///
    /// - Returns: the disks that are new.
    public func stage(in staged: StagedFiles) throws(SnapshotError) -> [WritableDisk] {
        var made: [WritableDisk] = []
        for member in members where try maker.stage(member, in: staged) { made.append(member.disk) }
        return made
    }
}

/// Makes disks so that their names appear only once they are whole and durable.
struct DiskMaker: Sendable {
    /// Bytes of the file system that stay free, whatever is asked.
    let reserve: UInt64
    /// Who may read and write the disk.
    let permissions: FilePermissions

    /// - Returns: whether there was anything to make.
    func stage(_ member: DiskSet.Member, in staged: StagedFiles) throws(SnapshotError) -> Bool {
        let disk = member.disk
        guard disk.path.isAbsolute, let name = disk.path.lastComponent?.string else {
            throw .failed("the disk's path \(disk.path) is not absolute", isTransient: false)
        }
        do {
            if try isThere(disk.path) { return false }
            let folder = disk.path.removingLastComponent()
            try TemporaryFile.sweep(folder, of: name)
            try requireSpace(in: folder, for: member)
            let file = try TemporaryFile.create(beside: disk.path, permissions: permissions)
            // From here on it is removed with the staged files.
            staged.add(file, to: disk.path, replacing: false)
            try file.setPermissions(permissions)
            guard let template = member.template else {
                try file.truncate(to: WritableDisk.actualSize(for: disk.size))
                return true
            }
            try template.fill(
                file,
                uuid: Self.randomUUID(),
                hashSeed: Self.randomUUID(),
                name: disk.label
            )
            return true
        } catch { throw .init(error) }
    }

    /// Whether a disk lies there. Anything but a regular file is an error: nothing is put in its place.
    private func isThere(_ path: FilePath) throws(FileError) -> Bool {
        guard let status = try FileStatus.of(path) else { return false }
        guard status.kind == .regular else { throw FileError("use as a disk", path, .invalidArgument) }
        return true
    }

    private func requireSpace(in folder: FilePath, for member: DiskSet.Member) throws(FileError) {
        let available = try FileSystemStatus.of(folder).availableBytes
        // The disk is sparse: making it takes its metadata only.
        let needed = (member.template?.copiedBytes ?? 0) + (1 << 20)
        let (floor, overflow) = reserve.addingReportingOverflow(needed)
        guard !overflow, available >= floor else {
            throw FileError(
                "make the disk with only \(available >> 20) MiB free, \(reserve >> 20) MiB of them the reserve,",
                member.disk.path,
                .noSpace
            )
        }
    }

    /// A random UUID (RFC 9562, version 4).
    private static func randomUUID() -> [UInt8] {
        var bytes = (0..<16).map { _ in UInt8.random(in: 0 ... .max) }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        return bytes
    }
}
