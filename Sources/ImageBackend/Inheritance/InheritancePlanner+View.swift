import EROFS

/// The merged view with the layer itself in it, as far as it is known where its folders lie.
extension InheritancePlanner {
    /// A folder of the merged view with this layer in it.
    struct Position {
        let path: EntryPath
        /// The layer's folders that are there.
        var own: [(path: EntryPath, inode: Inode)]
        /// The folder below, if it shows.
        var below: MergedView.Folder?
        /// Whether something is there that is no folder.
        var isBlocked = false
    }

    /// What a name leads to, with this layer in the view.
    enum Found {
        case nothing
        case folder(Position)
        case symbolicLink(target: [UInt8], isOwn: Bool)
        case other(isOwn: Bool)
    }

    /// The root of the merged view.
    func root() throws -> Position {
        if isBelowOnly { return Position(path: .root, own: [], below: try below.root()) }
        let inode = try plain.inode(plain.root)
        return Position(path: .root, own: [(.root, inode)] + (try guests(at: .root)), below: try below.root())
    }

    /// Folders of the layer that were moved to a path.
    private func guests(at path: EntryPath) throws -> [(path: EntryPath, inode: Inode)] {
        try arrivals[path, default: []].compactMap { source in
            try plain.lookup(source.components.map(Array.init)).map { (source, $0) }
        }
    }

    /// Looks a name up in a folder: the layer's own first, then what is below.
    func entry(named name: ArraySlice<UInt8>, of folder: Position) throws -> Found {
        let path = folder.path.appending(name)
        var folders = try guests(at: path)
        let isLanding = !folders.isEmpty
        var other: Inode?
        for place in folder.own {
            let ownPath = place.path.appending(name)
            guard moved[ownPath] == nil, let inode = try plain.child(named: Array(name), of: place.inode)
            else {
                continue
            }
            if inode.kind == .directory {
                folders.append((ownPath, inode))
            } else if !inode.isWhiteout || other == nil {
                other = inode
            }
        }
        let lower = try folder.below.map { try below.entry(named: name, of: $0) } ?? .nothing
        if folders.isEmpty, let other {
            if other.isWhiteout { return .nothing }
            guard other.kind == .symbolicLink else { return .other(isOwn: true) }
            return .symbolicLink(target: try plain.target(of: other), isOwn: true)
        }
        let isOpen = !isLanding && folders.allSatisfy { implied.contains($0.path) }
        switch lower {
        case .nothing: return folders.isEmpty ? .nothing : .folder(Position(path: path, own: folders))
        case .folder(let lower):
            // Whether the layer's folder is opaque in the end does not matter: what is open saw below when it came.
            return .folder(Position(path: path, own: folders, below: lower))
        case .other(let place):
            if !isOpen { return .folder(Position(path: path, own: folders)) }
            guard place.inode.kind == .symbolicLink else { return .other(isOwn: false) }
            return .symbolicLink(target: try below.target(of: place), isOwn: false)
        }
    }

    /// The folders on the way to a folder of the layer, without itself, where it is now.
    mutating func resolveLanding(of path: EntryPath) throws -> [Position] {
        var landing = EntryPath.root
        for (index, name) in path.components.enumerated() {
            let plain = EntryPath(components: Array(path.components[...index]))
            landing = moved[plain] ?? landing.appending(name)
        }
        var way = [try position(.root, of: nil)]
        for name in landing.folder.components {
            let parent = way[way.count - 1]
            way.append(try position(parent.path.appending(name), of: parent))
        }
        return way
    }

    private mutating func position(_ path: EntryPath, of parent: Position?) throws -> Position {
        if let found = known[path] { return found }
        var found = Position(path: path, own: [])
        if let parent, let name = path.name {
            switch try entry(named: name, of: parent) {
            case .folder(let position): found = position
            case .nothing: break
            case .symbolicLink, .other: found.isBlocked = true
            }
        } else {
            found = try root()
        }
        known[path] = found
        return found
    }

    /// The folders on the way to a path from the root; nil where there is none.
    func resolve(_ path: EntryPath) throws -> [Position]? {
        let way = try resolve(path.components, from: [root()], as: path)
        guard let way, !way.contains(where: { $0.isBlocked || ($0.own.isEmpty && $0.below == nil) }) else {
            return nil
        }
        return way
    }

    func resolve(_ target: [UInt8], from way: [Position], as path: EntryPath) throws -> [Position]? {
        var walk = Walk([])
        guard walk.follow(target) else { return nil }
        return try resolve(&walk, from: walk.isAbsolute ? [root()] : way, as: path)
    }

    private func resolve(
        _ components: [ArraySlice<UInt8>],
        from way: [Position],
        as path: EntryPath
    ) throws -> [Position]? {
        var walk = Walk(components[...])
        return try resolve(&walk, from: way, as: path)
    }

    /// Walks as an unpacker does that stays inside its root: what is missing counts as a folder to be made.
    private func resolve(_ walk: inout Walk, from start: [Position], as path: EntryPath) throws -> [Position]?
    {
        var way = start
        while let name = walk.next() {
            if name.elementsEqual("..".utf8) {
                if way.count > 1 { way.removeLast() }
                continue
            }
            let folder = way[way.count - 1]
            switch try entry(named: name, of: folder) {
            case .folder(let next): way.append(next)
            case .nothing: way.append(Position(path: folder.path.appending(name), own: []))
            case .other:
                way.append(Position(path: folder.path.appending(name), own: [], isBlocked: true))
            case .symbolicLink(let target, _):
                guard walk.follow(target) else { throw ImageError.loop(path) }
                if walk.isAbsolute { way = [try root()] }
            }
        }
        return way
    }
}
