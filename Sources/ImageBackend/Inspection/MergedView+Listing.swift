import EROFS

extension MergedView {
    /// What a folder has as a guest sees it, sorted by the bytes of the names: every name that shows, and what it leads
    /// to. Each layer's folder is read once.
    func entries(of folder: Folder) throws(EROFSError) -> [(name: [UInt8], entry: Entry)] {
        if folder.places.count == 1 { return try entries(of: folder.places[0]) }
        var found: [(name: [UInt8], entry: Entry)] = []
        /// Where a name is among those found, and whether layers further down add to it.
        var known: [[UInt8]: (index: Int, isOpen: Bool)] = [:]
        for place in folder.places {
            for (name, entry) in try entries(of: place, withWhiteouts: true) {
                guard let (index, isOpen) = known[name] else {
                    known[name] = (found.count, try isOpenBelow(entry))
                    found.append((name, entry))
                    continue
                }
                guard isOpen else { continue }
                // What is no folder ends the one above, and does not show itself.
                guard case .folder(var whole) = found[index].entry, case .folder(let more) = entry else {
                    known[name]?.isOpen = false
                    continue
                }
                whole.places += more.places
                found[index].entry = .folder(whole)
                known[name]?.isOpen = try isOpenBelow(entry)
            }
        }
        found.removeAll { if case .nothing = $0.entry { true } else { false } }
        return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// What one layer's folder has; whiteouts as nothing, or left out.
    private func entries(of place: Place, withWhiteouts: Bool = false) throws(EROFSError) -> [(
        name: [UInt8], entry: Entry
    )] {
        let image = layers[place.layer].image
        var found: [(name: [UInt8], entry: Entry)] = []
        for entry in try image.entries(of: place.inode) {
            let inner = Place(layer: place.layer, inode: try image.inode(entry.nid))
            if inner.inode.kind == .directory {
                found.append((entry.name, .folder(Folder(places: [inner]))))
            } else if !inner.inode.isWhiteout {
                found.append((entry.name, .other(inner)))
            } else if withWhiteouts {
                found.append((entry.name, .nothing))
            }
        }
        return found
    }

    /// Whether layers further down add to what one layer has under a name.
    private func isOpenBelow(_ entry: Entry) throws(EROFSError) -> Bool {
        guard case .folder(let folder) = entry, let place = folder.places.last else { return false }
        return try !layers[place.layer].image.isOpaque(place.inode)
    }
}
