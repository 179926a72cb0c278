public import EROFS
import Host

/// Looks into the files of an image, or of one of its layers, by reading the blobs: nothing is mounted, and nothing of
/// the host is looked at, wherever symbolic links lead.
///
/// Synchronous: runs on a thread of the caller's.
public struct ImageFiles: Sendable {
    /// What there is at a path.
    public struct Item: Sendable, Hashable {
        /// The names from the root, each any bytes but NUL and slash; none for the root.
        public var path: [[UInt8]]
        /// Its type.
        public var kind: NodeKind
        /// The permission bits with setuid, setgid and sticky.
        public var permissions: UInt16
        /// The owner.
        public var userID: UInt32
        /// The group.
        public var groupID: UInt32
        /// The size in bytes.
        public var size: UInt64
        /// The number of names that the layer has for it.
        public var links: UInt32
        /// The last change of the content.
        public var modified: Timestamp
        /// Of a symbolic link, what it points at.
        public var target: [UInt8]?
        /// Of a device, its number.
        public var device: Device?
        /// The layer that has it; 0 is the bottom.
        public var layer: Int

        /// A device number.
        public struct Device: Sendable, Hashable {
            /// The driver.
            public var major: UInt32
            /// The device of that driver.
            public var minor: UInt32
        }
    }

    /// More folders within folders than any tar may hold: an image that has them goes round in a circle.
    private static let maximumDepth = 4096

    let content: Content

    /// What is looked into.
    enum Content: Sendable {
        /// All layers, as a guest sees them.
        case merged(MergedView)
        /// One layer as it is, whiteouts included, with its position in the image.
        case single(ImageReader, layer: Int)
    }

    /// Calls `body` with what lies at a path: the entries of a folder, by their names, or anything else itself. Links
    /// are followed on the way, not at its end.
    ///
    /// - Parameter recursively: whether to go into folders in it.
    /// - Throws: ``ImageError`` `notFound`, or where the path leads through a file; `EROFSError`.
    public func list(_ path: [UInt8], recursively: Bool, _ body: (Item) throws -> Void) throws {
        let (place, names) = try resolve(path, followingLast: false)
        guard case .folder(let folder) = place else { return try body(item(place, names)) }
        var frames = [(folder: names, entries: try entries(of: folder)[...])]
        while var frame = frames.popLast() {
            guard let entry = frame.entries.popFirst() else { continue }
            frames.append(frame)
            let path = frame.folder + [entry.name]
            try body(item(entry.place, path))
            guard recursively, case .folder(let folder) = entry.place else { continue }
            guard frames.count <= Self.maximumDepth else {
                throw EROFSError.corrupt("folders more than \(Self.maximumDepth) deep")
            }
            frames.append((path, try entries(of: folder)[...]))
        }
    }

    /// Calls `body` with the bytes of a file in order, a megabyte at a time. Links are followed.
    ///
    /// - Throws: ``ImageError`` `notFound`, or for what is no regular file; `EROFSError`; what `body` throws.
    public func read(_ path: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let (place, _) = try resolve(path, followingLast: true)
        guard case .other(let found) = place, found.inode.kind == .regular else {
            throw ImageError(.unsupported, "'\(String(printable: path))' is no regular file")
        }
        var failure: (any Error)?
        do {
            try image(of: found.layer).forEachChunk(of: found.inode) { (bytes) throws(EROFSError) in
                do { try body(bytes) } catch {
                    failure = error
                    throw .cancelled
                }
            }
        } catch { throw failure ?? error }
    }
}

// MARK: Places

extension ImageFiles {
    private typealias Place = MergedView.Entry

    private struct Entry {
        var name: [UInt8]
        var place: Place
    }

    private func image(of layer: Int) -> ImageReader {
        switch content {
        case .merged(let view): view.layers[layer].image
        case .single(let image, _): image
        }
    }

    private func root() throws -> MergedView.Folder {
        switch content {
        case .merged(let view):
            guard let root = try view.root() else { throw ImageError(.notFound, "the image has no layers") }
            return root
        case .single(let image, let layer):
            return MergedView.Folder(places: [.init(layer: layer, inode: try image.inode(image.root))])
        }
    }

    private func entry(named name: ArraySlice<UInt8>, of folder: MergedView.Folder) throws -> Place {
        switch content {
        case .merged(let view): return try view.entry(named: name, of: folder)
        case .single(let image, let layer):
            guard let inode = try image.child(named: Array(name), of: folder.places[0].inode) else {
                return .nothing
            }
            return place(inode, layer)
        }
    }

    private func entries(of folder: MergedView.Folder) throws -> [Entry] {
        switch content {
        case .merged(let view):
            return try view.entries(of: folder).map { Entry(name: $0.name, place: $0.entry) }
        case .single(let image, let layer):
            return try image.entries(of: folder.places[0].inode).map {
                Entry(name: $0.name, place: place(try image.inode($0.nid), layer))
            }
        }
    }

    private func place(_ inode: Inode, _ layer: Int) -> Place {
        let place = MergedView.Place(layer: layer, inode: inode)
        return inode.kind == .directory ? .folder(MergedView.Folder(places: [place])) : .other(place)
    }

    /// What a path leads to, and the path without links on the way.
    private func resolve(_ path: [UInt8], followingLast: Bool) throws -> (Place, [[UInt8]]) {
        func error(_ what: String) -> ImageError {
            ImageError(.notFound, "'\(String(printable: path))' \(what)")
        }
        let root = try root()
        var folders = [root]
        var names: [[UInt8]] = []
        var walk = Walk(
            path.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }[...]
        )
        while let name = walk.next() {
            if name.elementsEqual("..".utf8) {
                // At the root they stay there, as in the kernel.
                if folders.count > 1 {
                    folders.removeLast()
                    names.removeLast()
                }
                continue
            }
            let place = try entry(named: name, of: folders[folders.count - 1])
            switch place {
            case .nothing: throw error("is not in the image")
            case .folder(let folder):
                folders.append(folder)
                names.append(Array(name))
            case .other(let found):
                guard found.inode.kind == .symbolicLink, followingLast || !walk.isAtEnd else {
                    guard walk.isAtEnd else { throw error("leads through something that is no folder") }
                    return (place, names + [Array(name)])
                }
                let target = try image(of: found.layer).target(of: found.inode)
                guard walk.follow(target) else { throw error("goes through more than 40 symbolic links") }
                if walk.isAbsolute { (folders, names) = ([root], []) }
            }
        }
        return (.folder(folders[folders.count - 1]), names)
    }

    private func item(_ place: Place, _ path: [[UInt8]]) throws -> Item {
        let found: MergedView.Place
        switch place {
        case .folder(let folder): found = folder.places[0]
        case .other(let other): found = other
        case .nothing: throw EROFSError.corrupt("a name leads nowhere")
        }
        let inode = found.inode
        let isDevice = inode.kind == .characterDevice || inode.kind == .blockDevice
        return Item(
            path: path,
            kind: inode.kind,
            permissions: inode.permissions,
            userID: inode.userID,
            groupID: inode.groupID,
            size: inode.size,
            links: inode.links,
            modified: inode.modified,
            target: inode.kind == .symbolicLink ? try image(of: found.layer).target(of: inode) : nil,
            device: isDevice ? Item.Device(major: inode.device.major, minor: inode.device.minor) : nil,
            layer: found.layer
        )
    }
}
