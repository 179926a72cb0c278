import Archives
import TestSupport

extension Target {
    /// The tar reader: what it makes of an archive does not depend on how the bytes come in.
    static let tar = Target(
        name: "tar",
        seeds: { TarCorpus.all },
        one: { data, size in
            let bytes = [UInt8](data, size)
            let whole = TarOutcome(reading: bytes, chunk: .max, bufferSize: 64 << 10)
            let pieces = TarOutcome(reading: bytes, chunk: 1 + size % 700, bufferSize: 4096)
            if whole != pieces { finding("in one piece \(whole), in several \(pieces)") }
            return 0
        },
        repair: { data, size in
            guard let data else { return size }
            TarRepair.repair(UnsafeMutableRawBufferPointer(start: data, count: size))
            return size
        }
    )
}

/// What came of reading an archive, small enough to compare.
private struct TarOutcome: Equatable {
    var entries = 0
    var checksum: UInt64 = 0
    var end: EndOfArchive?
    var code: ArchiveError.Code?

    init(reading bytes: [UInt8], chunk: Int, bufferSize: Int) {
        let reader = TarReader(MemorySource(bytes, chunk: chunk), name: "x", bufferSize: bufferSize)
        do {
            while let entry = try reader.next() {
                entries += 1
                add(entry.path)
                add(entry.linkTarget)
                for (name, value) in entry.xattrs {
                    add(name)
                    add(value)
                }
                var size: UInt64 = 0
                while let piece = try reader.nextPiece() {
                    switch piece {
                    case .data(let data):
                        size += UInt64(data.count)
                        add(data)
                    case .hole(let count): size += count
                    }
                }
                if size != entry.size { finding("\(size) bytes of content, \(entry.size) were announced") }
            }
            try reader.drain()
            end = reader.endOfArchive
        } catch { code = error.code }
    }

    private mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { checksum = (checksum ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
}

/// Makes the checksums of an archive's headers right, so that what lies behind them is tried.
enum TarRepair {
    static func repair(_ bytes: UnsafeMutableRawBufferPointer) {
        var offset = 0
        while offset + 512 <= bytes.count {
            let block = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + 512])
            offset += 512
            if block.allSatisfy({ $0 == 0 }) { continue }
            for index in 148..<156 { block[index] = 0x20 }
            var sum = block.reduce(0) { $0 + Int($1) }
            for index in (148..<154).reversed() {
                block[index] = UInt8(0x30 + sum % 8)
                sum /= 8
            }
            block[154] = 0
            // Only what has content is followed by some.
            guard "0\0007xgLKSDVX".utf8.contains(block[156]) else { continue }
            let digits = block[124..<136].drop { $0 == 0x20 || $0 == 0 }.prefix { (0x30...0x37).contains($0) }
            let size = digits.reduce(0) { $0 * 8 + Int($1 - 0x30) }
            offset += (size + 511) & ~511
        }
    }
}
