/// Writes a tar (POSIX.1-2017 pax): a ustar header for each entry, and before it an extended one for what that cannot
/// say. Every reader takes the same from it: nothing is said twice, and names are bytes.
///
/// Content follows its entry in any number of pieces, as many bytes as the entry's size says.
public struct TarWriter {
    private let sink: (UnsafeRawBufferPointer) throws -> Void
    /// Bytes of content that are still to come, and zeros to follow them.
    private var missing: UInt64 = 0
    private var padding = 0

    /// - Parameter sink: takes the archive's bytes in order.
    public init(to sink: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.sink = sink }

    /// Begins an entry. Of a regular file the content follows.
    ///
    /// - Throws: ``ArchiveError`` `unsupported` for an extended attribute that no pax record can name; what the sink
    ///   throws.
    public mutating func begin(_ entry: TarEntry) throws {
        try endContent()
        let records = try Self.records(of: entry)
        if !records.isEmpty {
            try sink(
                Self.header(
                    of: TarEntry(path: Array("PaxHeader".utf8), kind: .regular, size: UInt64(records.count)),
                    type: "x"
                )
            )
            try sink(records)
            try pad(records.count)
        }
        try sink(Self.header(of: entry, type: entry.kind.type))
        guard entry.kind == .regular else { return }
        missing = entry.size
        padding = Self.padding(entry.size)
    }

    /// Writes content of the entry that was begun.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard UInt64(bytes.count) <= missing else {
            throw ArchiveError(.invalid, "more bytes are written into a tar's entry than its size says")
        }
        missing -= UInt64(bytes.count)
        if !bytes.isEmpty { try sink(bytes) }
    }

    /// Writes the two blocks that end an archive.
    public mutating func finish() throws {
        try endContent()
        try sink([UInt8](repeating: 0, count: 2 * TarHeader.size))
    }

    // MARK: Pieces

    private mutating func endContent() throws {
        guard missing == 0 else {
            throw ArchiveError(.invalid, "\(missing) bytes of a tar's entry were not written")
        }
        if padding > 0 { try sink([UInt8](repeating: 0, count: padding)) }
        padding = 0
    }

    private func pad(_ count: Int) throws {
        let padding = Self.padding(UInt64(count))
        if padding > 0 { try sink([UInt8](repeating: 0, count: padding)) }
    }

    private static func padding(_ size: UInt64) -> Int {
        let block = UInt64(TarHeader.size)
        return Int((block - size % block) % block)
    }

    private func sink(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try sink($0) } }

    // MARK: Headers

    /// What a ustar header has no room for, or not everywhere: long or non-ASCII names, large numbers, fractions of a
    /// second, extended attributes.
    private static func records(of entry: TarEntry) throws(ArchiveError) -> [UInt8] {
        var records: [UInt8] = []
        func add(_ key: String, _ value: [UInt8]) { records += record(Array(key.utf8), value) }
        if !fits(entry.path) { add("path", entry.path) }
        if !fits(entry.linkTarget) { add("linkpath", entry.linkTarget) }
        if entry.size > largest(12) { add("size", Array("\(entry.size)".utf8)) }
        if UInt64(entry.userID) > largest(8) { add("uid", Array("\(entry.userID)".utf8)) }
        if UInt64(entry.groupID) > largest(8) { add("gid", Array("\(entry.groupID)".utf8)) }
        if entry.modifiedNanoseconds != 0 || entry.modifiedSeconds < 0
            || entry.modifiedSeconds.magnitude > largest(12)
        {
            add("mtime", Array(time(entry).utf8))
        }
        for (name, value) in entry.xattrs {
            guard !name.contains(UInt8(ascii: "=")), !name.contains(0) else {
                throw ArchiveError(
                    .unsupported,
                    "the extended attribute '\(printable(name))' cannot be written into a tar: its name holds '=' or NUL"
                )
            }
            records += record(PaxRecords.schily + name, value)
        }
        return records
    }

    /// A pax record: its own length in decimal, a space, key, `=`, value, newline.
    private static func record(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        let rest = key.count + value.count + 3
        var length = rest + String(rest).utf8.count
        length = rest + String(length).utf8.count
        return Array("\(length) ".utf8) + key + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
    }

    /// Seconds with a fraction; before 1970 the fraction goes backward.
    private static func time(_ entry: TarEntry) -> String {
        var (seconds, nanoseconds) = (entry.modifiedSeconds, entry.modifiedNanoseconds)
        guard nanoseconds > 0 else { return "\(seconds)" }
        let isNegative = seconds < 0
        if isNegative { (seconds, nanoseconds) = (seconds + 1, 1_000_000_000 - nanoseconds) }
        let digits = String(nanoseconds)
        let fraction = String(repeating: "0", count: 9 - digits.count) + digits
        return "\(isNegative ? "-" : "")\(seconds.magnitude).\(fraction)"
    }

    private static func fits(_ name: [UInt8]) -> Bool { name.count <= 100 && name.allSatisfy { $0 < 0x80 } }

    /// The largest number in an octal field that ends with a NUL.
    private static func largest(_ width: Int) -> UInt64 { 1 << (3 * UInt64(width - 1)) - 1 }

    /// The header of a file with a short name, owners and times of 0, and of any size without an extended header.
    static func memberHeader(_ path: [UInt8], size: UInt64) -> [UInt8] {
        var block = header(of: TarEntry(path: path, kind: .regular, size: min(size, largest(12))), type: "0")
        guard size > largest(12) else { return block }
        // GNU tar's base 256: a bit that says so, then the number, big-endian.
        block[124] = 0x80
        for index in 0..<11 {
            block[135 - index] = index < 8 ? UInt8(truncatingIfNeeded: size >> (8 * UInt64(index))) : 0
        }
        seal(&block)
        return block
    }

    /// Puts the checksum in.
    private static func seal(_ block: inout [UInt8]) {
        for index in 148..<156 { block[index] = UInt8(ascii: " ") }
        let digits = String(block.reduce(0) { $0 + UInt64($1) }, radix: 8)
        let text = String(repeating: "0", count: 6 - digits.utf8.count) + digits
        for (index, byte) in text.utf8.enumerated() { block[148 + index] = byte }
        block[154] = 0
    }

    /// The header block. What a record says instead is cut short or 0 here.
    private static func header(of entry: TarEntry, type: Character) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: TarHeader.size)
        func put(_ bytes: some Sequence<UInt8>, _ offset: Int, _ limit: Int) {
            for (index, byte) in bytes.prefix(limit).enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: UInt64, _ offset: Int, _ width: Int) {
            let digits = String(value > largest(width) ? 0 : value, radix: 8)
            put(
                (String(repeating: "0", count: width - 1 - digits.utf8.count) + digits).utf8,
                offset,
                width - 1
            )
        }
        put(entry.path, 0, 100)
        octal(UInt64(entry.permissions), 100, 8)
        octal(UInt64(entry.userID), 108, 8)
        octal(UInt64(entry.groupID), 116, 8)
        octal(entry.kind == .regular ? entry.size : 0, 124, 12)
        octal(UInt64(max(0, entry.modifiedSeconds)), 136, 12)
        block[156] = type.asciiValue ?? 0
        put(entry.linkTarget, 157, 100)
        put("ustar\0".utf8, 257, 6)
        put("00".utf8, 263, 2)
        octal(UInt64(entry.deviceMajor), 329, 8)
        octal(UInt64(entry.deviceMinor), 337, 8)
        seal(&block)
        return block
    }
}

extension TarEntry.Kind {
    /// The type flag.
    fileprivate var type: Character {
        switch self {
        case .regular: "0"
        case .hardLink: "1"
        case .symbolicLink: "2"
        case .characterDevice: "3"
        case .blockDevice: "4"
        case .directory: "5"
        case .fifo: "6"
        }
    }
}
