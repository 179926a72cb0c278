import Testing

@testable import EROFS

/// Every name of an image, folders before what is in them, in the order that the names were added.
struct Names {
    struct Name {
        var path: [[UInt8]]
        var inode: EROFS.Inode
    }

    private(set) var all: [Name] = []

    init(_ reader: ImageReader) throws {
        var stack: [([[UInt8]], UInt64)] = [([], reader.root)]
        while let (path, nid) = stack.popLast() {
            let inode = try reader.inode(nid)
            all.append(Name(path: path, inode: inode))
            guard inode.kind == .directory else { continue }
            for entry in try reader.entries(of: inode) { stack.append((path + [entry.name], entry.nid)) }
        }
    }
}

/// Adds names of an image to a writer.
struct Taking {
    let reader: ImageReader
    let writer: ImageWriter
    let places: PackedPlaces?
    private var nodes: [UInt64: ImageWriter.Node] = [:]

    init(reader: ImageReader, writer: ImageWriter, places: PackedPlaces?) {
        self.reader = reader
        self.writer = writer
        self.places = places
    }

    mutating func run(_ names: [Names.Name], into top: [UInt8]) throws {
        for name in names {
            let path = [top] + name.path
            let folder = try #require(
                path.dropLast().reduce(writer.root) { node, part in
                    node.flatMap { writer.child(named: part, of: $0) }
                }
            )
            try add(name.inode, path[path.count - 1][...], folder)
        }
    }

    private mutating func add(_ inode: EROFS.Inode, _ name: ArraySlice<UInt8>, _ folder: ImageWriter.Node)
        throws
    {
        if let first = nodes[inode.nid] {
            try writer.addHardLink(named: name, in: folder, to: first)
            return
        }
        let attributes = Attributes(
            permissions: inode.permissions,
            userID: inode.userID,
            groupID: inode.groupID,
            modified: inode.modified,
            xattrs: try reader.xattrs(of: inode)
        )
        let node = try writer.add(
            named: name,
            in: folder,
            like: inode,
            of: reader,
            attributes: attributes
        ) { () throws(EROFSError) in
            try writer.addFile(
                named: name,
                in: folder,
                takenFrom: inode,
                of: reader,
                packed: places,
                attributes: attributes
            )
        }
        if inode.kind != .directory { nodes[inode.nid] = node }
    }
}
