import Archives
import EROFS

extension LayerTree {
    func apply(
        _ whiteout: Whiteout,
        in components: ArraySlice<ArraySlice<UInt8>>,
        of entry: TarEntry
    ) throws {
        if whiteout == .bookkeeping { return }
        if whiteout == .invalid { throw invalid(entry, "is a whiteout of nothing") }
        guard let parent = try hidingFolder(components, of: entry) else { return }
        switch whiteout {
        case .bookkeeping, .invalid: break
        case .opaque:
            if parent == writer.root { hasOpaqueRoot = true }
            opaque.insert(parent)
        case .name(let name):
            if let real = writer.child(named: name, of: parent) {
                // The real entry of the same layer wins; a folder then hides what is below it.
                guard writer.kind(of: real) == .directory else { return }
                opaque.insert(real)
                implied[real]?.isWhitedOut = true
                return
            }
            if pending[parent]?[name] != nil { return }
            let node = try writer.addDevice(
                named: name,
                in: parent,
                kind: .characterDevice,
                major: 0,
                minor: 0,
                attributes: Attributes(
                    permissions: 0,
                    userID: 0,
                    groupID: 0,
                    modified: Timestamp(
                        seconds: entry.modifiedSeconds,
                        nanoseconds: entry.modifiedNanoseconds
                    ),
                    xattrs: []
                )
            )
            whiteouts.insert(node)
            whiteoutsIn[parent, default: 0] += 1
        }
    }

    /// The folder in which a whiteout hides something; nil where there is nothing to hide. One that this layer does not
    /// have may lie below, and gets a placeholder.
    private func hidingFolder(
        _ components: ArraySlice<ArraySlice<UInt8>>,
        of entry: TarEntry
    ) throws -> ImageWriter.Node? {
        guard let place = try resolve(components, of: entry) else { return nil }
        guard let first = place.missing.first else { return place.folder }
        guard writer.child(named: first, of: place.folder) == nil, seesBelow(place.folder) else { return nil }
        let made = try make(place, of: entry)
        placeholders.formUnion(made)
        return made.last
    }

    /// Takes out the folders that whiteouts alone imply, and notes the whiteouts.
    func removePlaceholders() {
        let order = placeholders.sorted { (implied[$0]?.order ?? 0) > (implied[$1]?.order ?? 0) }
        for folder in order {
            let path = path(of: folder)
            if opaque.contains(folder) { openEnds.opaque.append(path) }
            writer.forEachChild(of: folder) { _, name in
                openEnds.whiteouts.append(path.appending(Array(name)[...]))
            }
            guard let name = path.name else { continue }
            clear(name, in: writer.parent(of: folder))
        }
        openEnds.opaque.sort()
        openEnds.whiteouts.sort()
    }

    /// Makes room for an entry: forgets what is recorded of the one that it replaces.
    func clear(_ name: ArraySlice<UInt8>, in parent: ImageWriter.Node) {
        dropPending(name, in: parent)
        guard let old = writer.child(named: name, of: parent) else { return }
        lastFolder = nil
        if whiteouts.remove(old) != nil { whiteoutsIn[parent, default: 1] -= 1 }
        forget(old)
        writer.remove(old)
    }

    /// Forgets what is recorded of a node and everything below it.
    func forget(_ node: ImageWriter.Node) {
        var stack = [node]
        while let next = stack.popLast() {
            linkTargets[next] = nil
            implied[next] = nil
            placeholders.remove(next)
            early.remove(next)
            opaque.remove(next)
            whiteouts.remove(next)
            whiteoutsIn[next] = nil
            guard writer.kind(of: next) == .directory else { continue }
            writer.forEachChild(of: next) { child, _ in stack.append(child) }
            pending[next] = nil
        }
    }

    func dropPending(_ name: ArraySlice<UInt8>, in parent: ImageWriter.Node) {
        if !pending.isEmpty { pending[parent]?[name] = nil }
    }
}
