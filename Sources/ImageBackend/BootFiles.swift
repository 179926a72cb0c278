import EROFS
import Host
import Store
import SystemPackage

/// Takes kernels and initramfs out of a finished layer.
///
/// They are read back from the EROFS image rather than caught in passing, so that hard links, replaced entries and
/// whatever order the archive had are right by construction.
struct BootFiles {
    /// The finished layer.
    let image: ImageReader
    /// The folder to write to; made when there is something to write.
    let folder: FilePath

    /// Lists `/boot` and copies its boot files.
    ///
    /// - Throws: ``FileError``, `EROFSError`.
    func extract(hasOpaqueRoot: Bool) throws -> BootListing {
        guard let boot = try image.lookup([Array("boot".utf8)]) else {
            return BootListing(folder: hasOpaqueRoot ? .replaced : .untouched)
        }
        guard boot.kind == .directory else { return BootListing(folder: .replaced) }
        let isOpaque = try image.xattrs(of: boot).contains { $0.name == OverlayAttribute.opaque }
        var files: [String: EROFS.Inode] = [:]
        for entry in try image.entries(of: boot) {
            // A kernel whose name is not text is one that no boot loader finds either.
            guard let name = String(validating: entry.name, as: UTF8.self) else { continue }
            files[name] = try image.inode(entry.nid)
        }
        var wanted = files.filter { BootSelection.isCandidate($0.key) }
        for (_, inode) in wanted where inode.kind == .symbolicLink {
            let target = String(decoding: try image.target(of: inode), as: UTF8.self)
            if let name = BootListing.nameInBoot(target), let file = files[name] { wanted[name] = file }
        }
        let entries = try wanted.sorted { $0.key < $1.key }.map { name, inode in
            BootListing.Entry(name: name, kind: try take(inode, as: name))
        }
        return BootListing(folder: isOpaque || hasOpaqueRoot ? .replaced : .merged, entries: entries)
    }

    private func take(_ inode: EROFS.Inode, as name: String) throws -> BootListing.Entry.Kind {
        switch inode.kind {
        case .symbolicLink:
            return .symbolicLink(target: String(decoding: try image.target(of: inode), as: UTF8.self))
        case .characterDevice where inode.device == (0, 0): return .whiteout
        case .regular:
            try Directory.create(folder)
            let file = try File(
                folder.appending(name),
                .writeOnly,
                options: [.create, .exclusiveCreate],
                permissions: FilePermissions(rawValue: 0o444)
            )
            try image.forEachChunk(of: inode) { (bytes) throws(EROFSError) in
                do throws(FileError) { try file.writeAll(bytes) } catch { throw .file(error) }
            }
            return .file(size: inode.size)
        default: return .other
        }
    }
}
