import Archives
import EROFS
import Host

/// The tree of an image as a tar. The same image is the same tar, bit by bit.
struct ImageTar {
    /// How the tar says what a layer hides.
    enum Form {
        /// As overlayfs reads it, like the image itself.
        case overlay
        /// As image layers do (OCI image-spec, layer.md): `.wh.NAME`, `.wh..wh..opq`, and none of overlayfs' attributes.
        case layer(hasOpaqueRoot: Bool)
    }

    let image: ImageReader
    var form = Form.overlay
    let cancellation: Cancellation

    /// A folder that is written, up to its next entry.
    private struct Frame {
        let path: [UInt8]
        var entries: ArraySlice<DirectoryEntry>
    }

    /// Writes the archive, folders before what is in them, names in their order.
    ///
    /// - Returns: what a layer's tar cannot hold and was left out.
    /// - Throws: `EROFSError` where the image is unsound; `ArchiveError` for what no tar can say; what the sink throws.
    @discardableResult
    func write(to sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws -> Warnings {
        var warnings = Warnings()
        var tar = TarWriter(to: sink)
        let root = try image.inode(image.root)
        let isOpaque = if case .layer(hasOpaqueRoot: true) = form { true } else { false }
        try begin(root, at: isLayer ? [] : Array(".".utf8), isOpaque: isOpaque, &tar)
        var frames = [Frame(path: [], entries: try image.entries(of: root)[...])]
        // The first names of inodes that have several.
        var names: [UInt64: [UInt8]] = [:]
        while var frame = frames.popLast() {
            try cancellation.check()
            guard let child = frame.entries.popFirst() else { continue }
            let path = frame.path + (frame.path.isEmpty ? [] : [UInt8(ascii: "/")]) + child.name
            let inode = try image.inode(child.nid)
            frames.append(frame)
            if isLayer {
                if child.name.starts(with: Whiteout.prefix) {
                    throw ArchiveError(
                        .unsupported,
                        "'\(String(printable: path))' cannot be in a layer's tar, where such a name is a whiteout"
                    )
                }
                if inode.isWhiteout {
                    try whiteout(of: child.name, in: frame.path, like: inode, &tar)
                    continue
                }
                if inode.kind == .socket {
                    warnings.add("socket left out, no tar can hold it", path)
                    continue
                }
            }
            if let first = names[child.nid] {
                try tar.begin(try link(inode, at: path, to: first))
                continue
            }
            if inode.kind != .directory, inode.links > 1 { names[child.nid] = path }
            try begin(inode, at: path, isOpaque: try isLayer && image.isOpaque(inode), &tar)
            switch inode.kind {
            case .directory: frames.append(Frame(path: path, entries: try image.entries(of: inode)[...]))
            case .regular: try content(of: inode, to: &tar)
            default: break
            }
        }
        try tar.finish()
        return warnings
    }

    private var isLayer: Bool {
        if case .layer = form { true } else { false }
    }

    /// Begins an entry; of a folder that hides what is below, the mark follows.
    private func begin(_ inode: Inode, at path: [UInt8], isOpaque: Bool, _ tar: inout TarWriter) throws {
        var entry = try entry(inode, at: path)
        guard isLayer, inode.kind == .directory else { return try tar.begin(entry) }
        let folder = (path.isEmpty ? Array(".".utf8) : path) + [UInt8(ascii: "/")]
        entry.path = folder
        try tar.begin(entry)
        guard isOpaque else { return }
        try tar.begin(
            TarEntry(
                path: (path.isEmpty ? [] : folder) + Whiteout.opaqueName,
                kind: .regular,
                permissions: 0,
                modifiedSeconds: entry.modifiedSeconds,
                modifiedNanoseconds: entry.modifiedNanoseconds
            )
        )
    }

    /// A further name. In a layer it has the attributes once more: unpackers apply those of every entry.
    private func link(_ inode: Inode, at path: [UInt8], to first: [UInt8]) throws -> TarEntry {
        guard isLayer else { return TarEntry(path: path, kind: .hardLink, linkTarget: first) }
        var entry = try entry(inode, at: path)
        entry.kind = .hardLink
        entry.linkTarget = first
        entry.size = 0
        return entry
    }

    private func whiteout(
        of name: [UInt8],
        in folder: [UInt8],
        like inode: Inode,
        _ tar: inout TarWriter
    ) throws {
        let name = Whiteout.prefix + name
        let path = folder + (folder.isEmpty ? [] : [UInt8(ascii: "/")]) + name
        guard name.count <= 255 else {
            throw ArchiveError(
                .unsupported,
                "'\(String(printable: path))' cannot be whited out in a tar: the name is too long for the prefix"
            )
        }
        try tar.begin(
            TarEntry(
                path: path,
                kind: .regular,
                permissions: inode.permissions,
                modifiedSeconds: inode.modified.seconds,
                modifiedNanoseconds: inode.modified.nanoseconds
            )
        )
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
        let attributes =
            try isLayer
            ? image.ownAttributes(of: inode).xattrs
            : image.xattrs(of: inode)
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
            xattrs: attributes.map { ($0.name, $0.value) }
        )
    }
}
