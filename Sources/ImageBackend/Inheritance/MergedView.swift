import EROFS

/// Layers as a guest sees them: what overlayfs makes of them, told by reading their images, without mounting any.
///
/// Nothing is kept in memory: each look reads the folders that it needs.
struct MergedView: Sendable {
    /// A finished layer.
    struct Layer: Sendable {
        var image: ImageReader
        /// Whether nothing below it shows.
        var hasOpaqueRoot: Bool
    }

    /// Where something lies: a layer's position, and the inode there.
    struct Place: Sendable {
        var layer: Int
        var inode: Inode
    }

    /// A folder: its places in the layers that have it, topmost first. There is at least one.
    struct Folder: Sendable {
        var places: [Place]
    }

    /// What a name in a folder leads to.
    enum Entry: Sendable {
        case nothing
        case folder(Folder)
        /// Anything but a folder.
        case other(Place)
    }

    /// The layers, bottom first.
    let layers: [Layer]

    /// The root; nil where there are no layers.
    func root() throws(EROFSError) -> Folder? {
        var places: [Place] = []
        for (position, layer) in layers.enumerated().reversed() {
            places.append(Place(layer: position, inode: try layer.image.inode(layer.image.root)))
            if layer.hasOpaqueRoot { break }
        }
        return places.isEmpty ? nil : Folder(places: places)
    }

    /// Looks a name up in a folder.
    func entry(named name: ArraySlice<UInt8>, of folder: Folder) throws(EROFSError) -> Entry {
        var places: [Place] = []
        for place in folder.places {
            let image = layers[place.layer].image
            guard let inode = try image.child(named: Array(name), of: place.inode) else { continue }
            guard inode.kind == .directory else {
                if !places.isEmpty || inode.isWhiteout { break }
                return .other(Place(layer: place.layer, inode: inode))
            }
            places.append(Place(layer: place.layer, inode: inode))
            if try image.isOpaque(inode) { break }
        }
        return places.isEmpty ? .nothing : .folder(Folder(places: places))
    }

    /// The attributes of something, without those that belong to overlayfs.
    func attributes(of place: Place) throws(EROFSError) -> Attributes {
        try layers[place.layer].image.ownAttributes(of: place.inode)
    }

    /// The target of a symbolic link.
    func target(of place: Place) throws(EROFSError) -> [UInt8] {
        try layers[place.layer].image.target(of: place.inode)
    }
}

extension Inode {
    /// Whether overlayfs takes it for a whiteout: a character device 0:0.
    var isWhiteout: Bool { kind == .characterDevice && device == (0, 0) }
}

extension ImageReader {
    /// Whether overlayfs shows nothing from below in a folder.
    func isOpaque(_ folder: Inode) throws(EROFSError) -> Bool {
        try xattrs(of: folder).contains {
            $0.name == OverlayAttribute.opaque && $0.value == [UInt8(ascii: "y")]
        }
    }

    /// The attributes of an inode without those that belong to overlayfs, the extended ones by their names.
    func ownAttributes(of inode: Inode) throws(EROFSError) -> Attributes {
        let xattrs = try xattrs(of: inode).filter { !OverlayAttribute.isReserved($0.name) }
        return Attributes(inode, xattrs: xattrs.sorted { $0.name.lexicographicallyPrecedes($1.name) })
    }
}
