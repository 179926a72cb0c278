/// What pax extended headers say about an entry (POSIX.1-2017 pax, "pax Extended Header"), with the keywords that
/// GNU tar, star and libarchive add. Unknown keywords are passed over, `hdrcharset` too: names are bytes here.
struct PaxRecords: Sendable {
    var path: [UInt8]?
    var linkTarget: [UInt8]?
    var size: UInt64?
    var userID: UInt64?
    var groupID: UInt64?
    var modified: (seconds: Int64, nanoseconds: UInt32)?
    var deviceMajor: UInt64?
    var deviceMinor: UInt64?
    var xattrs = PaxXattrs()
    var sparse = PaxSparse()
    /// star's: the size of a sparse file in a format that only star reads.
    var starRealSize: UInt64?

    /// Adds the records of a header's body.
    ///
    /// An empty value takes back what a global header said, and the header's own field counts; an empty xattr is an
    /// xattr with an empty value unless a global header has one of that name. In a global header, what would name
    /// or size an entry is refused: readers disagree on it, and Docker's ignores it.
    mutating func apply(_ body: [UInt8], isGlobal: Bool, limits: TarLimits) throws(TarFailure) {
        let inherited = isGlobal ? PaxXattrs() : xattrs
        var rest = body[...]
        while !rest.isEmpty {
            let record = try PaxRecord(takingFrom: &rest)
            if record.key.starts(with: Self.schily) || record.key.starts(with: Self.libarchive) {
                try xattrs.add(record, inherited: inherited, limits: limits)
            } else {
                try apply(record, isGlobal: isGlobal, limits: limits)
            }
        }
    }

    private mutating func apply(_ record: PaxRecord, isGlobal: Bool, limits: TarLimits) throws(TarFailure) {
        let key = String(decoding: record.key, as: UTF8.self)
        if isGlobal, ["path", "linkpath", "size"].contains(key) || key.hasPrefix("GNU.sparse.") {
            throw TarFailure(
                .unsupported,
                "a global pax header sets \(key) for every entry; write the archive anew without it"
            )
        }
        switch key {
        case "path": path = try record.name(limits)
        case "linkpath": linkTarget = try record.name(limits)
        case "size": size = try record.number()
        case "uid": userID = try record.number()
        case "gid": groupID = try record.number()
        case "SCHILY.devmajor": deviceMajor = try record.number()
        case "SCHILY.devminor": deviceMinor = try record.number()
        case "SCHILY.realsize": starRealSize = try record.number()
        case "mtime":
            guard !record.value.isEmpty else { return modified = nil }
            guard let time = TarNumber.time(record.value) else { throw record.malformed }
            modified = time
        default:
            if key.hasPrefix("GNU.sparse.") { try sparse.apply(record, key: key, limits: limits) }
        }
    }

    static let schily = Array("SCHILY.xattr.".utf8)
    static let libarchive = Array("LIBARCHIVE.xattr.".utf8)
}

/// One record: its length in decimal, a space, key, `=`, value, newline. Key and value are told by length alone, so
/// that a value may hold newlines and NULs.
struct PaxRecord {
    let key: ArraySlice<UInt8>
    let value: ArraySlice<UInt8>

    init(takingFrom bytes: inout ArraySlice<UInt8>) throws(TarFailure) {
        let digits = bytes.prefix { $0 != UInt8(ascii: " ") }
        // A length of more than ten digits is beyond any header; the shortest record is "5 a=\n".
        guard digits.count <= 10, let length = TarNumber.decimal(digits), length >= 5, length <= bytes.count
        else {
            throw TarFailure(.invalid, "a pax record's length is wrong near '\(printable(bytes.prefix(24)))'")
        }
        let record = bytes.prefix(Int(length))
        let content = record.dropFirst(digits.count + 1).dropLast()
        guard record.last == UInt8(ascii: "\n"), let equals = content.firstIndex(of: UInt8(ascii: "=")),
            equals > content.startIndex
        else {
            throw TarFailure(
                .invalid,
                "a pax record is not of the form 'length key=value' near '\(printable(record.prefix(24)))'"
            )
        }
        key = content[..<equals]
        value = content[(equals + 1)...]
        bytes = bytes.dropFirst(Int(length))
    }

    var malformed: TarFailure {
        TarFailure(
            .invalid,
            "its pax record \(printable(key)) has the value '\(printable(value, limit: 64))', which is no number in range"
        )
    }

    /// The value as a name; nil when empty.
    func name(_ limits: TarLimits) throws(TarFailure) -> [UInt8]? {
        guard value.count <= limits.nameBytes else {
            throw TarFailure(
                .limitExceeded,
                "its \(printable(key)) has \(value.count) bytes; \(limits.nameBytes) are allowed"
            )
        }
        guard !value.contains(0) else {
            throw TarFailure(.invalid, "its \(printable(key)) contains a NUL byte")
        }
        return value.isEmpty ? nil : Array(value)
    }

    /// The value as a decimal number; nil when empty.
    func number() throws(TarFailure) -> UInt64? {
        if value.isEmpty { return nil }
        guard let number = TarNumber.decimal(value) else { throw malformed }
        return number
    }
}
