import Archives
import EROFS
import OCI

/// Applies the entries of one layer's tar to an EROFS image, with the rules of a layer rather than those of an
/// archive: whiteouts become overlayfs ones, later entries replace earlier ones, nothing leaves the tree.
///
/// Used by one thread.
final class LayerTree {
    /// Something that could not be taken over as it is, in words for the receipt.
    private(set) var warnings = Warnings()
    /// Whether the root is opaque: nothing below this layer shows. overlayfs ignores the xattr on a root, so this
    /// is recorded and the layers below are not attached.
    var hasOpaqueRoot = false
    /// What is left open until the layers below are known; complete after ``finish()``.
    var openEnds = OpenEnds()

    let writer: ImageWriter
    let limits: LayerLimits
    /// A file with fewer bytes in holes is compressed like any other, holes and all.
    private static let leastHoles: UInt64 = 1 << 20
    var entries = 0
    /// Bytes of files so far, holes included.
    private var contentBytes: UInt64 = 0
    /// The folder that the last entry went into: most entries follow one from the same folder.
    var lastFolder: (path: ArraySlice<ArraySlice<UInt8>>, node: ImageWriter.Node)?
    /// Folders that entries imply without naming them, and that may lie below this layer, with the order of their coming.
    var implied: [ImageWriter.Node: ImpliedFolder] = [:]
    var impliedCount = 0
    /// What came before the folder that it is in was described.
    var early: Set<ImageWriter.Node> = []
    /// Implied folders that whiteouts alone imply: what does not lie below has nothing to hide.
    var placeholders: Set<ImageWriter.Node> = []
    var whiteouts: Set<ImageWriter.Node> = []
    var whiteoutsIn: [ImageWriter.Node: Int] = [:]
    var opaque: Set<ImageWriter.Node> = []
    var linkTargets: [ImageWriter.Node: [UInt8]] = [:]
    /// By folder, then name.
    var pending: [ImageWriter.Node: [ArraySlice<UInt8>: PendingLink]] = [:]
    var pendingCount = 0

    /// A folder that entries imply.
    struct ImpliedFolder {
        let order: Int
        /// Whether the layer hides what is below in its place: then only the folder that it lies in matters.
        var isHiding = false
        /// Whether a whiteout of its name came after it.
        var isWhitedOut = false
    }

    /// A hard link whose target had not come yet.
    struct PendingLink {
        let order: Int
        let path: [UInt8]
        let target: [UInt8]
        let offset: UInt64
        /// Where the target lies if it lies below this layer; nil if this layer hides it.
        let below: EntryPath?
    }

    init(writer: ImageWriter, limits: LayerLimits) {
        self.writer = writer
        self.limits = limits
        implied[writer.root] = ImpliedFolder(order: 0)
    }

    /// Applies one entry; the content of a regular file is read from `reader`.
    func apply(_ entry: TarEntry, content reader: TarReader) throws {
        entries += 1
        guard entries <= limits.entries else {
            throw ImageError(
                .limitExceeded,
                "more than \(limits.entries) entries; this archive is refused for its size, at \(entry.place)"
            )
        }
        let path = try normalise(entry.path, of: entry)
        guard let name = path.name else { return try describeRoot(entry) }
        // Anything below an aufs folder (.wh..wh.plnk/…) goes with it; below a whiteout there can be nothing.
        for component in path.parent {
            switch Whiteout(component) {
            case nil: continue
            case .bookkeeping, .opaque: return
            case .name, .invalid: throw invalid(entry, "lies below a whiteout")
            }
        }
        if let whiteout = Whiteout(name) { return try apply(whiteout, in: path.parent, of: entry) }
        let parent = try directory(path.parent, of: entry)
        try add(entry, named: name, in: parent, content: reader)
    }

    /// Resolves what had to wait, and marks the folders that hold whiteouts or are opaque.
    func finish() throws {
        try resolvePendingLinks()
        removePlaceholders()
        for (folder, count) in whiteoutsIn where count > 0 {
            try addAttribute(ExtendedAttribute(name: OverlayAttribute.origin, value: []), to: folder)
        }
        for folder in opaque where folder != writer.root {
            try addAttribute(
                ExtendedAttribute(name: OverlayAttribute.opaque, value: [UInt8(ascii: "y")]),
                to: folder
            )
        }
        openEnds.folders = implied.sorted { $0.value.order < $1.value.order }.map { node, folder in
            let state: OpenEnds.Folder.State =
                folder.isHiding ? .hiding : folder.isWhitedOut ? .whitedOut : .open
            return OpenEnds.Folder(path: path(of: node), state: state)
        }
        openEnds.early = early.map { path(of: $0) }.sorted()
    }

    // MARK: Entries

    func add(
        _ entry: TarEntry,
        named name: ArraySlice<UInt8>,
        in parent: ImageWriter.Node,
        content reader: TarReader
    ) throws {
        let attributes = takeOver(entry)
        switch entry.kind {
        case .directory: try addDirectory(named: name, in: parent, attributes)
        case .regular:
            clear(name, in: parent)
            try admit(entry)
            _ = try writer.beginFile(
                named: name,
                in: parent,
                size: entry.size,
                isMostlyHoles: entry.holeBytes >= Self.leastHoles && entry.holeBytes >= entry.size / 2,
                attributes: attributes
            )
            while let piece = try reader.nextPiece() {
                switch piece {
                case .data(let bytes): try writer.write(bytes)
                case .hole(let count): try writer.writeHole(count)
                }
            }
            try writer.endFile()
        case .symbolicLink:
            clear(name, in: parent)
            let node = try writer.addSymbolicLink(
                named: name,
                in: parent,
                target: entry.linkTarget[...],
                attributes: attributes
            )
            linkTargets[node] = entry.linkTarget
        case .characterDevice, .blockDevice:
            if entry.deviceMajor == 0, entry.deviceMinor == 0 {
                // overlayfs would take it for a whiteout of its own.
                return warnings.add("device 0:0 left out", entry.path)
            }
            clear(name, in: parent)
            _ = try writer.addDevice(
                named: name,
                in: parent,
                kind: entry.kind == .blockDevice ? .blockDevice : .characterDevice,
                major: entry.deviceMajor,
                minor: entry.deviceMinor,
                attributes: attributes
            )
        case .fifo:
            clear(name, in: parent)
            _ = try writer.addFIFO(named: name, in: parent, attributes: attributes)
        case .hardLink: try addHardLink(entry, named: name, in: parent)
        }
    }

    /// Counts a file's bytes with its holes, which an archive claims at no cost.
    private func admit(_ entry: TarEntry) throws {
        contentBytes =
            contentBytes.addingReportingOverflow(entry.size).overflow ? .max : contentBytes + entry.size
        guard let limit = limits.unpackedBytes, contentBytes > limit else { return }
        throw ImageError(
            .limitExceeded,
            "it unpacks to more than the \(limit) bytes allowed, at \(entry.place)"
        )
    }

    func addDirectory(
        named name: ArraySlice<UInt8>,
        in parent: ImageWriter.Node,
        _ attributes: Attributes
    ) throws {
        if let old = writer.child(named: name, of: parent), writer.kind(of: old) == .directory {
            // What came before the folder was described went through whatever lies below in its place.
            if let folder = implied.removeValue(forKey: old), !folder.isHiding {
                writer.forEachChild(of: old) { child, _ in early.insert(child) }
            }
            placeholders.remove(old)
            try writer.setAttributes(attributes, of: old)
            dropPending(name, in: parent)
            return
        }
        // A folder where this layer had something else, a whiteout above all, shows nothing from below.
        let hidesBelow = writer.child(named: name, of: parent) != nil
        clear(name, in: parent)
        let node = try writer.addDirectory(named: name, in: parent, attributes: attributes)
        if hidesBelow { opaque.insert(node) }
    }

    func describeRoot(_ entry: TarEntry) throws {
        guard entry.kind == .directory else {
            throw invalid(entry, "names the root, which can only be a folder")
        }
        implied[writer.root] = nil
        try writer.setAttributes(takeOver(entry), of: writer.root)
    }

    // MARK: Attributes

    func takeOver(_ entry: TarEntry) -> Attributes {
        var xattrs: [ExtendedAttribute] = []
        for (name, value) in entry.xattrs {
            if OverlayAttribute.isReserved(name) {
                warnings.add("extended attribute \(String(printable: name)) left out", entry.path)
            } else if !OverlayAttribute.isStorable(name) {
                warnings.add(
                    "extended attribute \(String(printable: name)) has no place in EROFS, left out",
                    entry.path
                )
            } else {
                xattrs.append(ExtendedAttribute(name: name, value: value))
            }
        }
        return Attributes(
            permissions: entry.permissions,
            userID: entry.userID,
            groupID: entry.groupID,
            modified: Timestamp(seconds: entry.modifiedSeconds, nanoseconds: entry.modifiedNanoseconds),
            xattrs: xattrs
        )
    }

    func addAttribute(_ attribute: ExtendedAttribute, to folder: ImageWriter.Node) throws {
        var attributes = try writer.attributes(of: folder)
        attributes.xattrs.removeAll { $0.name == attribute.name }
        attributes.xattrs.append(attribute)
        try writer.setAttributes(attributes, of: folder)
    }

    func invalid(_ entry: TarEntry, _ what: String) -> ImageError {
        ImageError(.invalidArchive, "\(entry.place) \(what)")
    }
}

extension TarEntry {
    /// The entry in words: its path and where its header lies.
    var place: String { "entry '\(String(printable: path))' at byte \(offset)" }
}
