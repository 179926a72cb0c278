public import EROFS
public import Host

/// Writes what a guest sees of layers as one image: every name that no whiteout, opaque folder or upper layer hides,
/// with the attributes that the topmost layer gives it, and without the marks that only overlayfs needs.
///
/// Files come layer by layer, from the bottom up, in the order that each layer has them: so the blobs are read from
/// front to back, and what a builder wrote together lies together. The same layers make the same bytes.
public struct LayerMerge {
    /// A name of the view, and the item of the folder that it lies in.
    private struct Item: TreeItem {
        let layer: UInt32
        let number: UInt32
        let nid: UInt64
        let folder: Int
        let nameStart: Int
        let nameCount: UInt8
        var node: ImageWriter.Node?
    }

    /// An inode of one of the layers.
    private struct Origin: Hashable {
        let layer: UInt32
        let nid: UInt64
    }

    private let view: MergedView
    private let writer: ImageWriter
    private var items: [Item] = []
    private var names: [UInt8] = []
    /// The nodes of inodes with several names.
    private var nodes: [Origin: ImageWriter.Node] = [:]
    /// Of each layer's packed inode, the bytes of files that show, and where they went.
    private var packedFiles: [[Range<UInt64>]]
    private var places: [PackedPlaces?] = []

    /// Writes the image of finished layers, and finishes it.
    ///
    /// - Parameters:
    ///   - layers: their images, bottom first, each with whether nothing below it shows.
    ///   - file: an empty file, open for reading and writing.
    /// - Throws: `EROFSError`: of the layers, which are not trusted, or of the writer.
    public static func write(
        _ layers: [(image: File, hasOpaqueRoot: Bool)],
        to file: File,
        options: WriterOptions
    ) throws(EROFSError) -> EROFS.Summary {
        var opened: [MergedView.Layer] = []
        for layer in layers {
            opened.append(
                MergedView.Layer(
                    image: try ImageReader(file: layer.image),
                    hasOpaqueRoot: layer.hasOpaqueRoot
                )
            )
        }
        return try write(MergedView(layers: opened), to: file, options: options)
    }

    /// Writes the image and finishes it.
    ///
    /// Memory is taken for every name, some hundred bytes.
    ///
    /// - Throws: `EROFSError`: of the layers, which are not trusted, or of the writer.
    static func write(_ view: MergedView, to file: File, options: WriterOptions) throws(EROFSError)
        -> EROFS.Summary
    {
        let writer = try ImageWriter(file: file, options: options)
        var merge = LayerMerge(view: view, writer: writer)
        try merge.list(options.cancellation)
        let order = merge.items.indices.sorted { left, right in
            let (left, right) = (merge.items[left], merge.items[right])
            return (left.layer, left.number, left.nid) < (right.layer, right.number, right.nid)
        }
        try merge.takePacked()
        for item in order { try merge.add(item) }
        return try writer.finish()
    }

    private init(view: MergedView, writer: ImageWriter) {
        self.view = view
        self.writer = writer
        packedFiles = Array(repeating: [], count: view.layers.count)
    }

    // MARK: Listing

    /// Lists every name that shows.
    private mutating func list(_ cancellation: Cancellation?) throws(EROFSError) {
        guard let root = try view.root() else { return }
        try writer.setAttributes(try view.attributes(of: root.places[0]), of: writer.root)
        // A folder that lies in itself would go on for ever. Another layer may have it under the same address.
        var folders: Set<Origin> = []
        var stack: [(folder: MergedView.Folder, item: Int)] = [(root, -1)]
        while let (folder, item) = stack.popLast() {
            if cancellation?.isCancelled == true { throw .cancelled }
            for place in folder.places {
                let origin = Origin(layer: UInt32(place.layer), nid: place.inode.nid)
                guard folders.insert(origin).inserted else {
                    throw .corrupt("the folder \(place.inode.nid) of layer \(place.layer) has two names")
                }
            }
            for (name, entry) in try view.entries(of: folder) {
                switch entry {
                case .nothing: continue
                case .other(let place):
                    append(name, place, in: item)
                    if let range = try view.layers[place.layer].image.packedRange(of: place.inode) {
                        packedFiles[place.layer].append(range)
                    }
                case .folder(let inner):
                    append(name, inner.places[0], in: item)
                    stack.append((inner, items.count - 1))
                }
            }
        }
    }

    private mutating func append(_ name: [UInt8], _ place: MergedView.Place, in folder: Int) {
        items.append(
            Item(
                layer: UInt32(place.layer),
                number: place.inode.number,
                nid: place.inode.nid,
                folder: folder,
                nameStart: names.count,
                nameCount: UInt8(clamping: name.count)
            )
        )
        names += name
    }

    // MARK: Writing

    private mutating func takePacked() throws(EROFSError) {
        for (layer, needed) in zip(view.layers, packedFiles) {
            places.append(try writer.takePacked(from: layer.image, needed: needed))
        }
        packedFiles = []
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
        let name = names[item.nameStart..<item.nameStart + Int(item.nameCount)]
        let origin = Origin(layer: item.layer, nid: item.nid)
        if let first = nodes[origin] {
            return try writer.addHardLink(named: name, in: folder, to: first)
        }
        let image = view.layers[Int(item.layer)].image
        let inode = try image.inode(item.nid)
        let attributes = try image.ownAttributes(of: inode)
        let node = try writer.add(
            named: name,
            in: folder,
            like: inode,
            of: image,
            attributes: attributes
        ) { () throws(EROFSError) in
            try writer.addFile(
                named: name,
                in: folder,
                takenFrom: inode,
                of: image,
                packed: places[Int(item.layer)],
                attributes: attributes
            )
        }
        if inode.kind != .directory, inode.links > 1 { nodes[origin] = node }
        return node
    }
}
