import Archives
import EROFS
import Host

/// The tree of an image as a tar, as it is: whiteouts and opaque folders in the form that overlayfs reads, not in that
/// of image layers.
struct ImageTar {
    let image: ImageReader
    let cancellation: Cancellation

    /// A folder that is written, up to its next entry.
    private struct Frame {
        let path: [UInt8]
        var entries: ArraySlice<DirectoryEntry>
    }

    /// Writes the archive, folders before what is in them, names in their order.
    ///
    /// - Throws: `EROFSError` where the image is unsound; `ArchiveError` for what no tar can say; what the sink throws.
    func write(to sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        var tar = TarWriter(to: sink)
        let root = try image.inode(image.root)
        try tar.begin(try entry(root, at: Array(".".utf8)))
        var frames = [Frame(path: [], entries: try image.entries(of: root)[...])]
        // The first names of inodes that have several.
        var names: [UInt64: [UInt8]] = [:]
        while var frame = frames.popLast() {
            try cancellation.check()
            guard let child = frame.entries.popFirst() else { continue }
            let path = frame.path + (frame.path.isEmpty ? [] : [UInt8(ascii: "/")]) + child.name
            frames.append(frame)
            let inode = try image.inode(child.nid)
            if let first = names[child.nid] {
                try tar.begin(TarEntry(path: path, kind: .hardLink, linkTarget: first))
                continue
            }
            if inode.kind != .directory, inode.links > 1 { names[child.nid] = path }
            try tar.begin(try entry(inode, at: path))
            switch inode.kind {
            case .directory: frames.append(Frame(path: path, entries: try image.entries(of: inode)[...]))
            case .regular: try content(of: inode, to: &tar)
            default: break
            }
        }
        try tar.finish()
    }

    private func content(of inode: Inode, to tar: inout TarWriter) throws {
        var failure: (any Error)?
        do {
            try image.forEachChunk(of: inode) { (bytes) throws(EROFSError) in
                do {
                    try cancellation.check()
                    try tar.write(bytes)
                } catch {
                    failure = error
                    throw .cancelled
                }
            }
        } catch { throw failure ?? error }
    }

    private func entry(_ inode: Inode, at path: [UInt8]) throws -> TarEntry {
        let kind: TarEntry.Kind =
            switch inode.kind {
            case .regular: .regular
            case .directory: .directory
            case .symbolicLink: .symbolicLink
            case .characterDevice: .characterDevice
            case .blockDevice: .blockDevice
            case .fifo: .fifo
            case .socket:
                throw ArchiveError(
                    .unsupported,
                    "'\(String(printable: path))' is a socket, which no tar can hold"
                )
            }
        let device = inode.device
        let isDevice = kind == .characterDevice || kind == .blockDevice
        return TarEntry(
            path: path,
            kind: kind,
            linkTarget: kind == .symbolicLink ? try image.target(of: inode) : [],
            permissions: inode.permissions,
            userID: inode.userID,
            groupID: inode.groupID,
            size: kind == .regular ? inode.size : 0,
            modifiedSeconds: inode.modified.seconds,
            modifiedNanoseconds: inode.modified.nanoseconds,
            deviceMajor: isDevice ? device.major : 0,
            deviceMinor: isDevice ? device.minor : 0,
            xattrs: try image.xattrs(of: inode).map { ($0.name, $0.value) }
        )
    }
}
