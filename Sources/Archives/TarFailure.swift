/// What is wrong with an entry; ``located(_:path:offset:)`` adds where.
struct TarFailure: Error {
    var code: ArchiveError.Code
    var reason: String

    init(_ code: ArchiveError.Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    /// The error for the caller: the archive, the entry where its name is known, and where its header lies.
    func located(_ archive: String, path: [UInt8]?, offset: UInt64) -> ArchiveError {
        let entry =
            path.map { "entry '\(printable($0))' (header at byte \(offset))" } ?? "header at byte \(offset)"
        return ArchiveError(code, "\(archive): \(entry): \(reason)")
    }
}
