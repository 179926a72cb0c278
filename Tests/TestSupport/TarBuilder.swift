/// Writes tar archives byte by byte, the well-formed and the nasty alike (POSIX.1-2017, pax; GNU tar's manual).
public struct TarBuilder {
    /// The archive so far, without end blocks.
    public private(set) var bytes: [UInt8] = []

    /// An empty archive.
    public init() {}

    /// Adds a ustar entry. Long names, big numbers, negative or fractional times and xattrs get a pax header.
    public mutating func add(
        _ path: String,
        type: Character = "0",
        mode: UInt32 = 0o644,
        uid: UInt64 = 0,
        gid: UInt64 = 0,
        mtime: Int64 = 1_700_000_000,
        nanoseconds: UInt32 = 0,
        content: [UInt8] = [],
        size: UInt64? = nil,
        link: String = "",
        device: (major: UInt32, minor: UInt32) = (0, 0),
        xattrs: [(name: String, value: [UInt8])] = [],
        pax: [(key: String, value: [UInt8])] = []
    ) {
        var records = pax
        for (name, value) in xattrs { records.append(("SCHILY.xattr.\(name)", value)) }
        if path.utf8.count > 100 { records.append(("path", Array(path.utf8))) }
        if link.utf8.count > 100 { records.append(("linkpath", Array(link.utf8))) }
        if uid > 0o7777777 { records.append(("uid", Array("\(uid)".utf8))) }
        if gid > 0o7777777 { records.append(("gid", Array("\(gid)".utf8))) }
        if mtime < 0 || nanoseconds != 0 {
            // A pax time is a decimal number: -0.25 is a quarter of a second before 1970.
            let total = Int64(mtime) * 1_000_000_000 + Int64(nanoseconds)
            let digits = String(total.magnitude % 1_000_000_000)
            let fraction = String(repeating: "0", count: 9 - digits.count) + digits
            let text = "\(total < 0 ? "-" : "")\(total.magnitude / 1_000_000_000).\(fraction)"
            records.append(("mtime", Array(text.utf8)))
        }
        if !records.isEmpty {
            let body = Self.paxRecords(records)
            append(header("PaxHeaders/x", "x", 0o644, 0, 0, 0, UInt64(body.count), "", (0, 0)), body)
        }
        let length = size ?? UInt64(content.count)
        append(header(path, type, mode, uid, gid, mtime, length, link, device), content)
    }

    /// Adds a folder.
    public mutating func addDirectory(
        _ path: String,
        mode: UInt32 = 0o755,
        uid: UInt64 = 0,
        gid: UInt64 = 0,
        mtime: Int64 = 1_700_000_000,
        xattrs: [(name: String, value: [UInt8])] = []
    ) {
        add(path, type: "5", mode: mode, uid: uid, gid: gid, mtime: mtime, xattrs: xattrs)
    }

    /// Adds a file of text.
    public mutating func addFile(_ path: String, _ text: String, mode: UInt32 = 0o644) {
        add(path, mode: mode, content: Array(text.utf8))
    }

    /// Adds a symbolic link.
    public mutating func addSymbolicLink(_ path: String, to target: String) {
        add(path, type: "2", mode: 0o777, link: target)
    }

    /// Adds a hard link.
    public mutating func addHardLink(_ path: String, to target: String) { add(path, type: "1", link: target) }

    /// Adds bytes as they are.
    public mutating func addRaw(_ raw: [UInt8]) { bytes += raw }

    /// The archive with its two end blocks.
    public func finish() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    /// Records of a pax header: each its own length, a space, key=value and a newline.
    public static func paxRecords(_ records: [(key: String, value: [UInt8])]) -> [UInt8] {
        records.flatMap { key, value -> [UInt8] in
            let rest = key.utf8.count + value.count + 3
            var length = rest + String(rest).count
            length = rest + String(length).count
            return Array("\(length) \(key)=".utf8) + value + [10]
        }
    }

    /// One 512-byte header with its checksum. Numbers that do not fit their field are cut: a pax record carries them.
    public func header(
        _ path: String,
        _ type: Character,
        _ mode: UInt32,
        _ uid: UInt64,
        _ gid: UInt64,
        _ mtime: Int64,
        _ size: UInt64,
        _ link: String,
        _ device: (major: UInt32, minor: UInt32)
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: [UInt8], _ offset: Int, _ limit: Int) {
            for (index, byte) in text.prefix(limit).enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: UInt64, _ offset: Int, _ width: Int) {
            let digits = String(value, radix: 8)
            put(
                Array(
                    (String(repeating: "0", count: max(0, width - 1 - digits.count))
                        + digits.suffix(width - 1)).utf8
                ),
                offset,
                width - 1
            )
        }
        put(Array(path.utf8), 0, 100)
        octal(UInt64(mode), 100, 8)
        octal(uid, 108, 8)
        octal(gid, 116, 8)
        if size > 0o77777777777 {
            // GNU's base-256 form: the top bit of the first byte, then big-endian.
            block[124] = 0x80
            for index in 0..<8 { block[135 - index] = UInt8(truncatingIfNeeded: size >> (8 * UInt64(index))) }
        } else {
            octal(size, 124, 12)
        }
        octal(UInt64(max(0, mtime)), 136, 12)
        put(Array("        ".utf8), 148, 8)
        block[156] = type.asciiValue ?? 0
        put(Array(link.utf8), 157, 100)
        put(Array("ustar".utf8), 257, 5)
        put(Array("00".utf8), 263, 2)
        octal(UInt64(device.major), 329, 8)
        octal(UInt64(device.minor), 337, 8)
        let sum = String(block.reduce(UInt64(0)) { $0 + UInt64($1) }, radix: 8)
        put(Array((String(repeating: "0", count: 6 - sum.count) + sum).utf8), 148, 6)
        block[154] = 0
        return block
    }

    private mutating func append(_ header: [UInt8], _ content: [UInt8]) {
        bytes += header
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }
}
