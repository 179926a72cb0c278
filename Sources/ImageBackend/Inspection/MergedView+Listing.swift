import EROFS

extension MergedView {
    /// A name in a folder, and the topmost layer's inode for it.
    struct ListedName: Sendable {
        var name: [UInt8]
        var place: Place
    }

    /// The names in a folder as a guest sees them, sorted by their bytes: of each the topmost, none that is hidden.
    func names(in folder: Folder) throws(EROFSError) -> [ListedName] {
        var found: [ListedName] = []
        var seen: Set<[UInt8]> = []
        for place in folder.places {
            let image = layers[place.layer].image
            for entry in try image.entries(of: place.inode) {
                // Those of one folder are all different.
                if folder.places.count > 1, !seen.insert(entry.name).inserted { continue }
                let inode = try image.inode(entry.nid)
                if inode.isWhiteout { continue }
                found.append(ListedName(name: entry.name, place: Place(layer: place.layer, inode: inode)))
            }
        }
        guard folder.places.count > 1 else { return found }
        return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}
