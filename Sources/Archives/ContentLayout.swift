/// How the archive stores an entry's content.
enum ContentLayout {
    /// Not at all.
    case none
    /// As it is.
    case plain(UInt64)
    /// Something that is no content, to be passed over.
    case passedOver(UInt64)
    /// Without its holes: `stored` bytes, of which the part of the map that is still to be read comes first.
    case sparse(stored: UInt64, map: [SparseSegment], rest: RestOfMap)

    /// Where the rest of a sparse map is.
    enum RestOfMap {
        /// Nowhere, the map is complete.
        case none
        /// In blocks after the header that do not count as content (old GNU).
        case blocks
        /// At the beginning of the content (GNU, pax format 1.0).
        case content
    }
}
