/// Writes the tree of an image anew, with options of its own: the same names, attributes and bytes, and inodes in the
/// same order. What the old image had besides, replaced files and shared data, is left behind.
public struct ImageCopy {
    /// A name in the image, and the item of the folder that it lies in.
    private struct Item: TreeItem {
        let number: UInt32
        let nid: UInt64
        let folder: Int
        let name: [UInt8]
        var node: ImageWriter.Node?
    }

    private let image: ImageReader
    private let writer: ImageWriter
    private var items: [Item] = []
    /// The nodes of inodes with several names.
    private var nodes: [UInt64: ImageWriter.Node] = [:]

    /// Writes the tree of an image into a writer that has nothing yet. The caller finishes it.
    ///
    /// Memory is taken for every name, some hundred bytes.
    ///
    /// - Throws: ``EROFSError``: of the image, which is not trusted, or of the writer.
    public static func copy(_ image: ImageReader, to writer: ImageWriter) throws(EROFSError) {
        var copy = ImageCopy(image: image, writer: writer)
        try copy.list()
        // The order of the inodes' numbers is that of adding; a folder comes before what is in it all the same.
        let order = copy.items.indices.sorted { copy.items[$0].number < copy.items[$1].number }
        for item in order { try copy.add(item) }
    }

    private init(image: ImageReader, writer: ImageWriter) {
        self.image = image
        self.writer = writer
    }

    /// Lists every name. A folder that is met twice would go on for ever.
    private mutating func list() throws(EROFSError) {
        let root = try image.inode(image.root)
        try writer.setAttributes(try attributes(of: root), of: writer.root)
        var folders = SparseBitmap()
        var stack: [(folder: Inode, item: Int)] = [(root, -1)]
        while let (folder, item) = stack.popLast() {
            guard folders.insert(folder.nid) else { throw .corrupt("the folder \(folder.nid) has two names") }
            for entry in try image.entries(of: folder) {
                let inode = try image.inode(entry.nid)
                let number = inode.fields.number
                items.append(Item(number: number, nid: entry.nid, folder: item, name: entry.name))
                if inode.kind == .directory { stack.append((inode, items.count - 1)) }
            }
        }
    }

    /// Adds an item, after the folders that it lies in.
    private mutating func add(_ item: Int) throws(EROFSError) {
        for next in items.missing(upTo: item) {
            items[next].node = try add(items[next], in: items.folderNode(of: next) ?? writer.root)
        }
    }

    private mutating func add(_ item: Item, in folder: ImageWriter.Node) throws(EROFSError)
        -> ImageWriter.Node
    {
        if let first = nodes[item.nid] {
            return try writer.addHardLink(named: item.name, in: folder, to: first)
        }
        let inode = try image.inode(item.nid)
        let attributes = try attributes(of: inode)
        let node = try writer.add(
            named: item.name[...],
            in: folder,
            like: inode,
            of: image,
            attributes: attributes
        ) { () throws(EROFSError) in
            let node = try writer.beginFile(
                named: item.name,
                in: folder,
                size: inode.size,
                attributes: attributes
            )
            try writer.writeBytes(of: inode, image)
            try writer.endFile()
            return node
        }
        if inode.kind != .directory, inode.links > 1 { nodes[item.nid] = node }
        return node
    }

    private func attributes(of inode: Inode) throws(EROFSError) -> Attributes {
        Attributes(
            permissions: inode.permissions,
            userID: inode.userID,
            groupID: inode.groupID,
            modified: inode.modified,
            xattrs: try image.xattrs(of: inode)
        )
    }
}
