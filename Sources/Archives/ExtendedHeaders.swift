/// The headers before an entry that belong to it: pax records and GNU's long names.
struct ExtendedHeaders {
    /// Records of the entry's pax header over those of global ones.
    var pax: PaxRecords?
    /// GNU's `L`.
    var longName: [UInt8]?
    /// GNU's `K`.
    var longLink: [UInt8]?

    var isEmpty: Bool { pax == nil && longName == nil && longLink == nil }

    /// The entry's name; nil when its own header has it.
    func path(_ records: PaxRecords) throws(TarFailure) -> [UInt8]? {
        try agreed(records.sparse.name ?? records.path, longName, "name")
    }

    /// The entry's link target; nil when its own header has it.
    func linkTarget(_ records: PaxRecords) throws(TarFailure) -> [UInt8]? {
        try agreed(records.linkTarget, longLink, "link target")
    }

    /// Readers differ in which of two to believe, so two must be the same.
    private func agreed(_ pax: [UInt8]?, _ gnu: [UInt8]?, _ what: String) throws(TarFailure) -> [UInt8]? {
        if let pax, let gnu, pax != gnu {
            throw TarFailure(
                .invalid,
                "a pax and a GNU header give it two different \(what)s, '\(printable(pax))' and '\(printable(gnu))'"
            )
        }
        return pax ?? gnu
    }
}
