public import Host
public import SystemPackage

/// The folder of a VM below `vms/`, and the disks in it.
public struct VMFolder: Sendable, Hashable {
    /// The folder, absolute.
    public let path: FilePath

    /// A folder by its path.
    public init(_ path: FilePath) { self.path = path }

    /// The folder of a VM, or of a retired one (`.retired/NAME-TIME`), below the folder of all.
    public init(named name: String, below vms: FilePath) { path = vms.appending(name) }

    /// The writable disk.
    public var writableDisk: FilePath { path.appending("cow.raw") }

    /// A data disk, by its name.
    public func dataDisk(_ name: String) -> FilePath { path.appending("data-\(name).raw") }

    /// Every disk of the VM's own that is there: the writable one and data disks, by name.
    public func disks() throws(FileError) -> [FilePath] {
        let names: [FilePath.Component]
        do { names = try Directory.names(in: path) } catch  where error.errno == .noSuchFileOrDirectory {
            return []
        }
        return names.map(\.string)
            .filter { $0 == "cow.raw" || $0.hasPrefix("data-") && $0.hasSuffix(".raw") }
            .sorted().map { path.appending($0) }
    }

    /// Whether a hypervisor holds a lock on the writable disk.
    public func isRunning() throws(FileError) -> Bool { try Self.isLocked(writableDisk) }

    /// Locks every disk, so that no hypervisor can start on them, until the value is dropped.
    ///
    /// - Throws: ``SnapshotError`` `inUse` when a hypervisor holds a lock on one.
    public func lockDisks() throws(SnapshotError) -> DiskLocks {
        do {
            var files: [File] = []
            for disk in try disks() {
                let file = try File(disk, .readWrite, options: [.noFollow, .nonBlocking])
                guard try file.tryLock() else { throw SnapshotError.inUse(disk.string) }
                files.append(file)
            }
            return DiskLocks(files: files)
        } catch let error as SnapshotError {
            throw error
        } catch let error as FileError {
            throw .init(error)
        } catch {
            throw .failed("cannot lock the disks in \(path): \(error)", isTransient: true)
        }
    }

    private static func isLocked(_ disk: FilePath) throws(FileError) -> Bool {
        do {
            return try File.regular(disk).isLockedByAnother()
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }
}

/// Locks on disks that keep hypervisors away; they go with the value.
public final class DiskLocks: Sendable {
    private let files: [File]
    init(files: [File]) { self.files = files }

    // An error leaves what closing the files does anyway.
    deinit { for file in files { _ = try? file.unlock() } }
}
