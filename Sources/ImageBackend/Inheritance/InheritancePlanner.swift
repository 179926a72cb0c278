import EROFS

/// Finds what a layer inherits: answers what it leaves open by looking into its own image and those below.
///
/// Reads folders and attributes, and changes nothing. What is looked up is bounded by what is open, not by the size
/// of the layers.
struct InheritancePlanner {
    let layer: OpenEnds
    /// The layer's image, of which only its own part is looked at.
    let plain: ImageReader
    /// The layers below, finished.
    let below: MergedView

    var steps: [Inheritance.Step] = []
    /// The layer's folders that lie elsewhere, because below there is a symbolic link in their place: where.
    var moved: [EntryPath: EntryPath] = [:]
    /// The same the other way round.
    var arrivals: [EntryPath: [EntryPath]] = [:]
    /// Folders that a step describes, and how.
    var described: [EntryPath: Attributes] = [:]
    /// Whether only the layers below are looked at, as if this one had nothing.
    var isBelowOnly = false
    let implied: Set<EntryPath>
    var known: [EntryPath: Position] = [:]

    init(_ layer: OpenEnds, plain: ImageReader, below: MergedView) {
        self.layer = layer
        self.plain = plain
        self.below = below
        implied = Set(layer.folders.filter { $0.state != .hiding }.map(\.path))
    }

    /// The inheritance.
    ///
    /// - Throws: ``ImageError`` that names the path and what is in its way; `EROFSError`.
    mutating func plan() throws -> Inheritance {
        for path in layer.early { try planEarly(path) }
        for folder in layer.folders { try plan(folder) }
        for path in layer.whiteouts { try planWhiteout(path) }
        for path in layer.opaque {
            guard let folders = try resolve(path), let folder = folders.last, folder.below != nil else {
                continue
            }
            try make(folders)
            steps.append(.opaque(folder.path))
        }
        try planLinks()
        return Inheritance(steps: steps)
    }

    // MARK: Folders

    private mutating func plan(_ folder: OpenEnds.Folder) throws {
        guard let name = folder.path.name else { return try planRoot() }
        let parents = try resolveLanding(of: folder.path)
        guard let parent = parents.last else { return }
        let path = parent.path.appending(name)
        let lower = folder.state == .hiding ? nil : parent.below
        switch try lower.map({ try below.entry(named: name, of: $0) }) ?? .nothing {
        case .nothing:
            guard let own = try own(folder.path), try !isDescribed(path) else { return }
            let modified = own.modified
            let wanted = Attributes(undescribedIn: try attributes(of: parent), modified: modified)
            if wanted != own { describe(path, wanted) }
        case .folder(let found):
            guard let own = try own(folder.path), try !isDescribed(path) else { return }
            let attributes = try below.attributes(of: found.places[0])
            if attributes != own { describe(path, attributes) }
        case .other(let place):
            guard place.inode.kind == .symbolicLink else { throw ImageError.inTheWay(path, of: folder.path) }
            let target = try below.target(of: place)
            guard let way = try resolve(target, from: parents, as: folder.path),
                !way.contains(where: \.isBlocked),
                let end = way.last
            else { throw ImageError.inTheWay(path, of: folder.path) }
            try make(way, like: folder.path)
            steps.append(.move(from: path, to: end.path, leavingWhiteout: folder.state == .whitedOut))
            move(folder.path, to: end.path)
        }
    }

    private mutating func move(_ folder: EntryPath, to path: EntryPath) {
        moved[folder] = path
        arrivals[path, default: []].append(folder)
        known = [:]
    }

    private mutating func planEarly(_ path: EntryPath) throws {
        guard let name = path.name, let folderName = path.folder.name else { return }
        let parents = try resolveLanding(of: path.folder)
        guard let parent = parents.last, let lower = parent.below,
            case .other(let place) = try below.entry(named: folderName, of: lower)
        else { return }
        guard place.inode.kind == .symbolicLink else {
            throw ImageError.inTheWay(parent.path.appending(folderName), of: path.folder)
        }
        let target = try below.target(of: place)
        guard let way = try resolve(target, from: parents, as: path), !way.contains(where: \.isBlocked),
            let end = way.last
        else { throw ImageError.inTheWay(parent.path.appending(folderName), of: path) }
        try make(way, like: path.folder)
        let source = parent.path.appending(folderName).appending(name)
        steps.append(.moveEarly(from: source, to: end.path.appending(name)))
        if try plain.lookup(path.components.map(Array.init))?.kind == .directory {
            move(path, to: end.path.appending(name))
        }
    }

    private mutating func planRoot() throws {
        guard let root = try below.root(), let own = try own(.root) else { return }
        let attributes = try below.attributes(of: root.places[0])
        if attributes != own { describe(.root, attributes) }
    }

    private mutating func describe(_ path: EntryPath, _ attributes: Attributes) {
        described[path] = attributes
        steps.append(.folder(path, attributes))
    }

    /// The attributes that a folder of the view has with the steps until now.
    private func attributes(of folder: Position) throws -> Attributes {
        if let attributes = described[folder.path] { return attributes }
        if let own = folder.own.first { return try plain.ownAttributes(of: own.inode) }
        guard let place = folder.below?.places.first else { return Attributes(permissions: 0o755) }
        return try below.attributes(of: place)
    }

    /// The attributes of a folder of the layer.
    private func own(_ path: EntryPath) throws -> Attributes? {
        guard let inode = try plain.lookup(path.components.map(Array.init)) else { return nil }
        return try plain.ownAttributes(of: inode)
    }

    /// Whether the layer describes a folder at a place that is not its own: then that one counts.
    private mutating func isDescribed(_ path: EntryPath) throws -> Bool {
        guard !moved.isEmpty, !implied.contains(path),
            let inode = try plain.lookup(path.components.map(Array.init))
        else { return false }
        return inode.kind == .directory
    }

    /// Notes the folders of a path that the layer does not have.
    mutating func make(_ folders: [Position], like path: EntryPath = .root) throws {
        for (parent, folder) in zip(folders, folders.dropFirst())
        where folder.own.isEmpty && described[folder.path] == nil {
            if let place = folder.below?.places.first {
                describe(folder.path, try below.attributes(of: place))
            } else {
                let modified = try own(path)?.modified ?? Timestamp(seconds: 0)
                describe(
                    folder.path,
                    Attributes(undescribedIn: try attributes(of: parent), modified: modified)
                )
            }
        }
    }

    private mutating func planWhiteout(_ path: EntryPath) throws {
        guard let name = path.name, let folders = try resolve(path.folder),
            let folder = folders.last, let lower = folder.below
        else { return }
        if case .nothing = try below.entry(named: name, of: lower) { return }
        let target = folder.path.appending(name)
        switch try entry(named: name, of: folder) {
        case .folder(let own) where !own.own.isEmpty: steps.append(.opaque(target))
        case .other(let isOwn) where isOwn: return
        case .symbolicLink(_, let isOwn) where isOwn: return
        default:
            try make(folders)
            steps.append(.whiteout(target))
        }
    }
}

extension ImageError {
    static func inTheWay(_ path: EntryPath, of entry: EntryPath) -> ImageError {
        ImageError(
            .invalidArchive,
            "the entries in '\(entry.printable)' go through '\(path.printable)', which is no folder in the layers below"
        )
    }

    static func loop(_ path: EntryPath) -> ImageError {
        ImageError(
            .invalidArchive,
            "the entries in '\(path.printable)' go through more than 40 symbolic links of the layers below"
        )
    }
}
