import Host
import Subprocess
import SystemPackage

/// Makes ext4 file systems in sparse files with mke2fs(8); needs neither root nor a loop device.
enum Ext4 {
    /// Fills an existing file with an empty file system of its size.
    ///
    /// The features are spelled out where the machine's mke2fs.conf could choose others, and kept to what Linux
    /// 5.15 mounts. Inode tables and the journal stay holes until the guest writes them.
    static func format(_ path: FilePath, label: String) async throws(SnapshotError) {
        let arguments = [
            "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0", "-L", label,
            "-O", "64bit,metadata_csum,^orphan_file",
            "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
            path.string,
        ]
        do {
            let result = try await Subprocess.run(
                .name("mke2fs"),
                arguments: Arguments(arguments),
                environment: .inherit.updating(["PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C"]),
                input: .none,
                output: .discarded,
                error: .string(limit: 64 << 10)
            )
            guard case .exited(0) = result.terminationStatus else {
                let said = result.standardError.split(whereSeparator: \.isNewline).joined(separator: "; ")
                throw SnapshotError.failed(
                    "mke2fs could not make \(path) (\(result.terminationStatus)): \(said)",
                    isTransient: true
                )
            }
        } catch let error as SnapshotError {
            throw error
        } catch let error as SubprocessError where error.code == .executableNotFound {
            throw .failed("mke2fs is not installed: install e2fsprogs", isTransient: true)
        } catch {
            throw .failed("cannot run mke2fs: \(error)", isTransient: true)
        }
    }
}
