import Archives
import EROFS

extension LayerTree {
    /// Where a path of folders leads: the last one that is there, and the names of those that are not.
    typealias Place = (folder: ImageWriter.Node, missing: [ArraySlice<UInt8>])

    /// The folder of a path, made where it is missing.
    func directory(
        _ components: ArraySlice<ArraySlice<UInt8>>,
        of entry: TarEntry
    ) throws -> ImageWriter.Node {
        if let lastFolder, lastFolder.path == components { return lastFolder.node }
        guard let place = try resolve(components, of: entry, visiting: { placeholders.remove($0) }) else {
            throw invalid(entry, "goes through something that is no folder in this archive")
        }
        let folder = try make(place, of: entry).last ?? place.folder
        lastFolder = (components, folder)
        return folder
    }

    /// Walks a path of folders, through symbolic links and without leaving the tree; nil where something else is in
    /// the way. What is missing may lie below this layer, so that it is no error.
    func resolve(
        _ components: ArraySlice<ArraySlice<UInt8>>,
        of entry: TarEntry,
        visiting visit: (ImageWriter.Node) -> Void = { _ in }
    ) throws -> Place? {
        var walk = Walk(components)
        var folders = [writer.root]
        var missing: [ArraySlice<UInt8>] = []
        while let name = walk.next() {
            if name.elementsEqual("..".utf8) {
                // Only a symbolic link's target has these; at the root they stay there, as in the kernel.
                if missing.popLast() == nil, folders.count > 1 { folders.removeLast() }
                continue
            }
            let folder = folders[folders.count - 1]
            guard missing.isEmpty, let child = writer.child(named: name, of: folder),
                !whiteouts.contains(child)
            else {
                missing.append(name)
                continue
            }
            switch writer.kind(of: child) {
            case .directory: folders.append(child)
            case .symbolicLink:
                guard walk.follow(linkTargets[child] ?? []) else {
                    throw invalid(entry, "goes through more than 40 symbolic links")
                }
                if walk.isAbsolute { folders = [writer.root] }
            default: return nil
            }
        }
        for folder in folders { visit(folder) }
        return (folders[folders.count - 1], missing)
    }

    /// Makes the folders that are missing at a place. They are implied if they may lie below this layer.
    func make(_ place: Place, of entry: TarEntry) throws -> [ImageWriter.Node] {
        var parent = place.folder
        return try place.missing.map { name in
            let hidesBelow = writer.child(named: name, of: parent) != nil
            let mayLieBelow = !hidesBelow && seesBelow(parent)
            clear(name, in: parent)
            let modified = Timestamp(seconds: entry.modifiedSeconds, nanoseconds: entry.modifiedNanoseconds)
            let attributes = Attributes(undescribedIn: try writer.attributes(of: parent), modified: modified)
            let made = try writer.addDirectory(named: name, in: parent, attributes: attributes)
            if hidesBelow { opaque.insert(made) }
            if mayLieBelow || implied[parent] != nil {
                impliedCount += 1
                implied[made] = ImpliedFolder(order: impliedCount, isHiding: !mayLieBelow)
            }
            parent = made
            return made
        }
    }

    /// Whether what lies below this layer shows in a folder, as far as the entries until now say.
    func seesBelow(_ folder: ImageWriter.Node) -> Bool {
        var folder = folder
        while !opaque.contains(folder) {
            if folder == writer.root { return true }
            folder = writer.parent(of: folder)
        }
        return false
    }

    /// Where something lies that is not in this layer, if it lies below; nil if this layer hides it, or has it.
    func belowPath(_ path: EntryPath, of entry: TarEntry) throws -> EntryPath? {
        guard let name = path.name, let place = try resolve(path.parent, of: entry) else { return nil }
        let first = place.missing.first ?? name
        guard writer.child(named: first, of: place.folder) == nil, seesBelow(place.folder) else { return nil }
        return (place.missing + [name]).reduce(self.path(of: place.folder)) { $0.appending($1) }
    }

    /// The path of a node from the root.
    func path(of node: ImageWriter.Node) -> EntryPath {
        var components: [ArraySlice<UInt8>] = []
        var node = node
        while node != writer.root {
            components.append(writer.name(of: node)[...])
            node = writer.parent(of: node)
        }
        return EntryPath(components: components.reversed())
    }

    /// What a path names, its last component not followed; nil when there is nothing.
    func lookUp(_ path: EntryPath) -> ImageWriter.Node? {
        guard let name = path.name else { return writer.root }
        var walk = Walk(path.parent)
        var node = writer.root
        var parents: [ImageWriter.Node] = []
        while let component = walk.next() {
            if component.elementsEqual("..".utf8) {
                node = parents.popLast() ?? writer.root
                continue
            }
            guard let child = writer.child(named: component, of: node) else { return nil }
            switch writer.kind(of: child) {
            case .directory:
                parents.append(node)
                node = child
            case .symbolicLink:
                guard walk.follow(linkTargets[child] ?? []) else { return nil }
                if walk.isAbsolute {
                    node = writer.root
                    parents = []
                }
            default: return nil
            }
        }
        return writer.child(named: name, of: node)
    }

    func isLinkable(_ node: ImageWriter.Node) -> Bool {
        writer.kind(of: node) != .directory && !whiteouts.contains(node)
    }

    func normalise(_ bytes: [UInt8], of entry: TarEntry) throws -> EntryPath {
        let path: EntryPath
        do { path = try EntryPath(bytes) } catch {
            switch error {
            case .parentReference: throw invalid(entry, "contains '..'; rebuild the archive without it")
            case .nameTooLong: throw invalid(entry, "has a name longer than 255 bytes")
            case .tooDeep: throw tooDeep(entry)
            }
        }
        guard path.components.count <= limits.pathDepth else { throw tooDeep(entry) }
        return path
    }

    private func tooDeep(_ entry: TarEntry) -> ImageError {
        ImageError(
            .limitExceeded,
            "\(entry.place) lies or leads deeper than the \(limits.pathDepth) folders allowed"
        )
    }
}

extension Attributes {
    /// Those of a folder that nothing describes: 0755 and root's, and in a folder with the setgid bit its group and that
    /// bit, as mkdir(2) makes it when an unpacker has to.
    init(undescribedIn parent: Attributes, modified: Timestamp) {
        let isInherited = parent.permissions & 0o2000 != 0
        self.init(
            permissions: isInherited ? 0o2755 : 0o755,
            groupID: isInherited ? parent.groupID : 0,
            modified: modified
        )
    }
}
