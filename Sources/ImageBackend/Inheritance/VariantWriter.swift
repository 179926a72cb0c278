import EROFS
import Host
import OCI
import Store

/// Makes a layer's variant of its plain image: the image extended by what the layer inherits.
struct VariantWriter {
    private let writer: ImageWriter
    private let below: MergedView
    /// Folders of the layer that nothing describes.
    private var implied: Set<ImageWriter.Node> = []
    /// Whiteouts that were added.
    private var whiteouts: Set<ImageWriter.Node> = []

    /// Extends an image.
    ///
    /// - Parameters:
    ///   - file: holds the plain image, open for reading and writing; becomes the variant.
    ///   - layer: what the layer leaves open.
    ///   - below: the layers below, finished.
    /// - Returns: what the variant came to.
    /// - Throws: `EROFSError`; ``ImageError`` when the note does not fit the image.
    static func extend(
        _ file: File,
        uuid: [UInt8],
        guestKernel: GuestKernel,
        layer: OpenEnds,
        inheritance: Inheritance,
        below: MergedView,
        cancellation: Cancellation
    ) throws -> EROFS.Summary {
        // Copies are stored as they are: what they become depends on nothing but what is copied.
        let options = WriterOptions(
            compression: .none,
            guestKernel: min(guestKernel, .chunks),
            uuid: uuid,
            cancellation: cancellation
        )
        var variant = VariantWriter(try ImageWriter(extending: file, options: options), below: below)
        for folder in layer.folders {
            if let node = variant.node(at: folder.path) { variant.implied.insert(node) }
        }
        for step in inheritance.steps { try variant.take(step) }
        return try variant.writer.finish()
    }

    private init(_ writer: ImageWriter, below: MergedView) {
        self.writer = writer
        self.below = below
    }

    private mutating func take(_ step: Inheritance.Step) throws {
        switch step {
        case .folder(let path, let attributes): try describe(path, attributes)
        case .move(let from, let to, let leavingWhiteout):
            guard let source = node(at: from) else { return }
            // Its whiteout hides what is below its own name, not what is where it goes.
            if leavingWhiteout { try remove(OverlayAttribute.opaque, from: source) }
            try merge(source, into: try folder(to))
            writer.remove(source)
            if leavingWhiteout { try addWhiteout(from) }
        case .moveEarly(let from, let to):
            guard let source = node(at: from), let name = to.name else { return }
            try put(source, named: Array(name), in: try folder(to.folder))
            if let left = node(at: from) { writer.remove(left) }
        case .whiteout(let path): try addWhiteout(path)
        case .opaque(let path): try add([OverlayAttribute.opaque: [UInt8(ascii: "y")]], to: try folder(path))
        case .copy(let path, let original): try copy(original, to: path)
        case .link(let path, let target):
            guard let name = path.name, let node = node(at: target) else {
                throw ImageError(.store, "a link of a layer to '\(target.printable)' cannot be made any more")
            }
            try writer.addHardLink(named: name, in: try folder(path.folder), to: node)
        }
    }

    // MARK: Folders

    private func node(at path: EntryPath) -> ImageWriter.Node? {
        path.components.reduce(writer.root) { folder, name in
            folder.flatMap { writer.child(named: name, of: $0) }
        }
    }

    /// The folder of a path. The steps make those that are missing first, so one that is here is the layer's or theirs.
    private func folder(_ path: EntryPath) throws -> ImageWriter.Node {
        try path.components.reduce(writer.root) { folder, name in
            let present = writer.child(named: name, of: folder)
            if let present, writer.kind(of: present) == .directory { return present }
            let made = try writer.addDirectory(
                named: name,
                in: folder,
                attributes: Attributes(permissions: 0o755)
            )
            // In the place of a whiteout: what is below stays hidden.
            if present != nil { try hideBelow(made) }
            return made
        }
    }

    private mutating func describe(_ path: EntryPath, _ attributes: Attributes) throws {
        let folder = try folder(path)
        implied.remove(folder)
        var attributes = attributes
        attributes.xattrs += try writer.attributes(of: folder).xattrs.filter {
            OverlayAttribute.isReserved($0.name)
        }
        try writer.setAttributes(attributes, of: folder)
    }

    private func add(_ xattrs: [[UInt8]: [UInt8]], to folder: ImageWriter.Node) throws {
        var attributes = try writer.attributes(of: folder)
        attributes.xattrs.removeAll { xattrs[$0.name] != nil }
        attributes.xattrs += xattrs.map { ExtendedAttribute(name: $0.key, value: $0.value) }
        attributes.xattrs.sort { $0.name.lexicographicallyPrecedes($1.name) }
        try writer.setAttributes(attributes, of: folder)
    }

    private func remove(_ xattr: [UInt8], from folder: ImageWriter.Node) throws {
        var attributes = try writer.attributes(of: folder)
        attributes.xattrs.removeAll { $0.name == xattr }
        try writer.setAttributes(attributes, of: folder)
    }

    private mutating func addWhiteout(_ path: EntryPath) throws {
        guard let name = path.name else { return }
        let folder = try folder(path.folder)
        guard writer.child(named: name, of: folder) == nil else { return }
        let node = try writer.addDevice(
            named: name,
            in: folder,
            kind: .characterDevice,
            major: 0,
            minor: 0,
            attributes: Attributes(permissions: 0)
        )
        whiteouts.insert(node)
        try add([OverlayAttribute.origin: []], to: folder)
    }

    // MARK: Moving

    /// Puts what is in a folder into another. Of two things with one name the one counts that came later in the
    /// archive; two folders become one.
    private mutating func merge(_ source: ImageWriter.Node, into target: ImageWriter.Node) throws {
        let marks = try writer.attributes(of: source).xattrs.filter { OverlayAttribute.isReserved($0.name) }
        if !marks.isEmpty {
            try add(Dictionary(marks.map { ($0.name, $0.value) }) { $1 }, to: target)
        }
        var children: [(node: ImageWriter.Node, name: [UInt8])] = []
        writer.forEachChild(of: source) { node, name in children.append((node, Array(name))) }
        for (node, name) in children.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
            try put(node, named: name, in: target)
        }
    }

    private mutating func put(
        _ node: ImageWriter.Node,
        named name: [UInt8],
        in target: ImageWriter.Node
    ) throws {
        guard let present = writer.child(named: name, of: target) else {
            try move(node, named: name, in: target)
            return
        }
        switch (try isWhiteout(node), try isWhiteout(present)) {
        case (true, true): break
        case (true, false): try hideBelow(present)
        case (false, true): try hideBelow(try move(node, named: name, in: target))
        case (false, false): try settle(node, named: name, against: present, in: target)
        }
    }

    private mutating func settle(
        _ node: ImageWriter.Node,
        named name: [UInt8],
        against present: ImageWriter.Node,
        in target: ImageWriter.Node
    ) throws {
        let isLater = try number(of: node) > number(of: present)
        if writer.kind(of: node) == .directory, writer.kind(of: present) == .directory {
            if !implied.contains(node), isLater || implied.contains(present) {
                try describe(path(of: present), try writer.attributes(of: node))
            }
            try merge(node, into: present)
        } else if isLater {
            if implied.contains(node) { throw ImageError.inTheWay(path(of: present), of: path(of: node)) }
            try hideBelow(try move(node, named: name, in: target))
        } else if implied.contains(present) {
            throw ImageError.inTheWay(path(of: node), of: path(of: present))
        }
    }

    @discardableResult
    private mutating func move(
        _ node: ImageWriter.Node,
        named name: [UInt8],
        in folder: ImageWriter.Node
    ) throws -> ImageWriter.Node {
        let wasImplied = implied.remove(node) != nil
        let moved = try writer.move(node, named: name, in: folder)
        if wasImplied { implied.insert(moved) }
        return moved
    }

    /// A folder that takes the place of something else, or that a whiteout of its name stands beside.
    private func hideBelow(_ node: ImageWriter.Node) throws {
        guard writer.kind(of: node) == .directory else { return }
        try add([OverlayAttribute.opaque: [UInt8(ascii: "y")]], to: node)
    }

    private func isWhiteout(_ node: ImageWriter.Node) throws -> Bool {
        guard writer.kind(of: node) == .characterDevice else { return false }
        return whiteouts.contains(node) ? true : try writer.existingInode(of: node)?.isWhiteout ?? false
    }

    /// Where a node comes in the archive; what the steps made comes last.
    private func number(of node: ImageWriter.Node) throws -> UInt32 {
        try writer.existingInode(of: node)?.number ?? .max
    }

    private func path(of node: ImageWriter.Node) -> EntryPath {
        var names: [ArraySlice<UInt8>] = []
        var node = node
        while node != writer.root {
            names.append(writer.name(of: node)[...])
            node = writer.parent(of: node)
        }
        return EntryPath(components: names.reversed())
    }

    // MARK: Copying

    private func copy(_ original: Inheritance.Original, to path: EntryPath) throws {
        guard let name = path.name else { return }
        let folder = try folder(path.folder)
        let inode = original.place.inode
        let image = below.layers[original.place.layer].image
        let attributes = original.attributes
        guard inode.kind != .directory else { throw ImageError.inTheWay(path, of: path) }
        try writer.add(
            named: name,
            in: folder,
            like: inode,
            of: image,
            attributes: attributes
        ) { () throws(EROFSError) in
            let node = try writer.beginFile(
                named: name,
                in: folder,
                size: inode.size,
                attributes: attributes
            )
            try image.forEachChunk(of: inode) { (bytes) throws(EROFSError) in try writer.write(bytes) }
            try writer.endFile()
            return node
        }
    }
}
