import Host
import Subprocess
import SystemPackage

/// Makes ext4 file systems in sparse files with mke2fs(8); needs neither root nor a loop device.
enum Ext4 {
    /// Every feature, whatever the machine's mke2fs.conf would choose: what Linux 5.4 mounts, and `metadata_csum_seed`,
    /// which lets a copy get a UUID of its own by its superblocks alone.
    private static let features = [
        "none", "has_journal", "ext_attr", "dir_index", "filetype", "extent", "64bit", "flex_bg",
        "sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum",
        "metadata_csum_seed",
    ]

    /// Names what ``format(_:)`` writes: templates of another kind are of no use.
    static let kind = "ext4-1"

    /// Fills an existing file of zeros with an empty file system of its size. Inode tables and the journal stay holes.
    static func format(_ path: FilePath, size: UInt64) async throws(SnapshotError) {
        let growth = growth(size)
        let features = features + (growth == nil ? [] : ["resize_inode"])
        let extended =
            (growth.map { ["resize=\($0)"] } ?? []) + ["lazy_itable_init=1", "lazy_journal_init=1"]
        // The file is zeros: no guest need clear inode tables in the background. mke2fs 1.47 knows how to say so.
        let failure = try await mke2fs(path, features, extended + ["assume_storage_prezeroed=1"])
        guard let failure else { return }
        guard failure.contains("assume_storage_prezeroed") || failure.contains("extended option") else {
            throw .failed("mke2fs could not make \(path): \(failure)", isTransient: true)
        }
        if let failure = try await mke2fs(path, features, extended) {
            throw .failed("mke2fs could not make \(path): \(failure)", isTransient: true)
        }
    }

    /// The blocks up to which room for group descriptors is kept: 16 times the size, 4 times a large one. mke2fs would
    /// keep it for 1024 times, in blocks that every copy has to carry. Beyond, Linux goes over to `meta_bg` by itself.
    private static func growth(_ size: UInt64) -> UInt64? {
        let blocks = size / 4096 * (size < 256 << 30 ? 16 : 4)
        return blocks <= UInt64(UInt32.max) ? blocks : nil
    }

    /// - Returns: what mke2fs said when it failed.
    private static func mke2fs(
        _ path: FilePath,
        _ features: [String],
        _ extended: [String]
    ) async throws(SnapshotError) -> String? {
        let arguments = [
            "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0", "-O",
            features.joined(separator: ","),
            "-E", (extended + ["nodiscard", "root_owner=0:0"]).joined(separator: ","),
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
                return said.isEmpty ? "it ended with \(result.terminationStatus)" : said
            }
            return nil
        } catch let error as SubprocessError where error.code == .executableNotFound {
            throw .failed("mke2fs is not installed: install e2fsprogs", isTransient: true)
        } catch {
            throw .failed("cannot run mke2fs: \(error)", isTransient: true)
        }
    }
}
