/// What a name that starts with `.wh.` means in a layer (OCI image-spec, layer.md, "Whiteouts"; the `.wh..wh.`
/// names are aufs' own, of which image layers use only the opaque marker).
enum Whiteout: Equatable {
    /// `.wh.NAME`: what lies below under that name is gone.
    case name(ArraySlice<UInt8>)
    /// `.wh..wh..opq`: everything below in this folder is gone.
    case opaque
    /// Any other `.wh..wh.…`: bookkeeping of aufs that means nothing in an image.
    case bookkeeping
    /// `.wh.` without a name, or of `.` or `..`: broken.
    case invalid

    /// Reads a name; nil for an ordinary one.
    init?(_ name: ArraySlice<UInt8>) {
        guard name.starts(with: Self.prefix) else { return nil }
        let hidden = name.dropFirst(Self.prefix.count)
        if hidden.starts(with: Self.prefix) {
            self = name.elementsEqual(Self.opaqueName) ? .opaque : .bookkeeping
        } else if hidden.isEmpty || hidden.elementsEqual(".".utf8) || hidden.elementsEqual("..".utf8) {
            self = .invalid
        } else {
            self = .name(hidden)
        }
    }

    /// What a whiteout's name begins with.
    static let prefix = Array(".wh.".utf8)
    /// The name that makes its folder opaque.
    static let opaqueName = Array(".wh..wh..opq".utf8)
}

/// The extended attributes by which overlayfs knows what a layer hides (Documentation/filesystems/overlayfs.rst).
enum OverlayAttribute {
    /// `y` on a folder: nothing below it shows.
    static let opaque = Array("trusted.overlay.opaque".utf8)
    /// Empty on a folder that holds whiteouts: makes overlayfs look for them even where nothing is merged.
    static let origin = Array("trusted.overlay.origin".utf8)

    /// Whether a name belongs to overlayfs, so that one from an archive must not reach the blob.
    static func isReserved(_ name: [UInt8]) -> Bool {
        name.starts(with: "trusted.overlay.".utf8) || name.starts(with: "user.overlay.".utf8)
    }

    /// Whether EROFS has a prefix for the name (erofs_fs.h, EROFS_XATTR_INDEX_*).
    static func isStorable(_ name: [UInt8]) -> Bool {
        let text = String(decoding: name, as: UTF8.self)
        return text == "system.posix_acl_access" || text == "system.posix_acl_default"
            || ["user.", "trusted.", "security."].contains {
                text.hasPrefix($0) && text.utf8.count > $0.utf8.count
            }
    }
}
