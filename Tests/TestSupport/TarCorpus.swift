/// Archives and headers made byte by byte.
public enum TarCorpus {
    /// A pax header of a type.
    public static func pax(_ type: Character, _ records: [(key: String, value: [UInt8])]) -> [UInt8] {
        let body = TarBuilder.paxRecords(records)
        return TarBuilder().header("pax", type, 0o644, 0, 0, 0, UInt64(body.count), "", (0, 0)) + padded(body)
    }

    /// A GNU long name (`L`) or long link (`K`).
    public static func gnuLong(_ type: Character, _ text: [UInt8]) -> [UInt8] {
        gnu("././@LongLink", type, text + [0])
    }

    /// An entry with GNU's magic.
    public static func gnu(
        _ path: String,
        _ type: Character,
        _ content: [UInt8],
        edit: (inout [UInt8]) -> Void = { _ in }
    ) -> [UInt8] {
        var block = TarBuilder().header(path, type, 0o644, 0, 0, 0, UInt64(content.count), "", (0, 0))
        block.replaceSubrange(257..<265, with: Array("ustar  \0".utf8))
        edit(&block)
        return withChecksum(block) + padded(content)
    }

    /// Bytes filled up to a block.
    public static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    /// The header with its checksum made right.
    public static func withChecksum(_ header: [UInt8]) -> [UInt8] {
        var block = header
        for index in 148..<156 { block[index] = 0x20 }
        let digits = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
        let text = String(repeating: "0", count: 6 - digits.count) + digits + "\0 "
        block.replaceSubrange(148..<156, with: Array(text.utf8))
        return block
    }

    /// An octal field.
    public static func octal(_ value: UInt64, width: Int) -> [UInt8] {
        let digits = String(value, radix: 8)
        return Array((String(repeating: "0", count: width - 1 - digits.count) + digits).utf8) + [0]
    }

    /// Bytes that do not compress, the same for the same seed.
    public static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SeededRandom(seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    /// An old GNU sparse file of three segments with one block of continuation.
    public static func oldSparse() -> [UInt8] {
        let segments = (0..<8).map { (offset: UInt64($0) * 4096, length: UInt64(10 + $0)) }
        let data = segments.flatMap { noise(Int($0.length), seed: $0.offset) }
        var continuation = [UInt8](repeating: 0, count: 512)
        // The empty one at the end marks the size, as GNU tar writes it and wants it.
        for (index, segment) in (segments.dropFirst(4) + [(40_000, 0)]).enumerated() {
            continuation.replaceSubrange(
                index * 24..<index * 24 + 24,
                with: octal(segment.offset, width: 12) + octal(segment.length, width: 12)
            )
        }
        let entry = gnu("sparse", "S", data) { block in
            for (index, segment) in segments.prefix(4).enumerated() {
                block.replaceSubrange(
                    386 + index * 24..<410 + index * 24,
                    with: octal(segment.offset, width: 12) + octal(segment.length, width: 12)
                )
            }
            block[482] = 1
            block.replaceSubrange(483..<495, with: octal(40_000, width: 12))
        }
        return Array(entry[..<512]) + continuation + Array(entry[512...])
    }

    /// Some of everything: kinds, long names, xattrs, sparse files, large and empty files.
    public static func everything() -> [UInt8] {
        var tar = TarBuilder()
        tar.addDirectory("./", mode: 0o755)
        tar.addFile("./etc/hostname", "slipway\n")
        tar.add("./big", content: noise(300_000))
        tar.add("./empty")
        tar.add(String(repeating: "long/", count: 60), type: "5", mtime: -5, nanoseconds: 7)
        tar.addRaw(gnuLong("L", Array(String(repeating: "gnu/", count: 200).utf8) + Array("x".utf8)))
        tar.addRaw(gnuLong("K", Array(String(repeating: "target/", count: 200).utf8)))
        tar.addSymbolicLink("short", to: "short")
        tar.addRaw(oldSparse())
        tar.add("x", xattrs: [("user.a", noise(2000)), ("security.capability", [1, 0, 0, 2])])
        let map = Array("2\n1000\n600\n5000\n24\n".utf8)
        tar.add(
            "GNUSparseFile.1/s",
            content: padded(map) + noise(624),
            pax: [
                ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
                ("GNU.sparse.name", Array("s".utf8)), ("GNU.sparse.realsize", Array("9000".utf8)),
            ]
        )
        tar.addHardLink("hard", to: "./big")
        tar.add("null", type: "3", device: (major: 1, minor: 3))
        return tar.finish()
    }
}

/// A generator whose sequence a seed fixes (SplitMix64).
public struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    /// The generator of a seed.
    public init(_ seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
