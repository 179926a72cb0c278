import CLZ4
import TestSupport
import Testing

@testable import EROFS

@Suite("LZ4 blocks that are cut")
struct LZ4BlockTests {
    /// Bytes of which LZ4 makes sequences of every kind: long and short literals, long and short matches.
    private static func input(_ name: String) -> [UInt8] {
        switch name {
        case "text": return Array((0..<6000).map { "line \($0 % 321) of \($0 / 7)\n" }.joined().utf8)
        case "noise": return TarCorpus.noise(70_000)
        case "zeros": return [UInt8](repeating: 0, count: 5_000_000)
        default:
            let noise = TarCorpus.noise(40_000)
            return (0..<400).flatMap { index -> [UInt8] in
                let start = index * 97
                return Array(noise[start..<start + index % 290]) + Array(noise[..<(index * index % 900)])
            }
        }
    }

    @Test(
        "expand to the beginning of the input, and are full",
        arguments: ["text", "noise", "zeros", "mixed"],
        [nil, 9]
    )
    func cut(name: String, level: Int?) throws {
        let input = Self.input(name)
        let compression = level.map { Compression.lz4hc(level: $0, clusterSize: 65536) }
        let lz4 = try #require(LZ4(compression ?? .lz4(clusterSize: 65536)))
        var block = [UInt8](repeating: 0, count: 65536)
        let (consumed, produced) = block.withUnsafeMutableBytes { block in
            input.withUnsafeBytes { lz4.fill(block, from: $0) }
        }
        #expect(consumed > 0)
        for size in [13, 14, 100, 281, 282, 4096, 12_288, produced - 1] where size < produced {
            var copy = Array(block[..<produced])
            let (kept, count) = copy.withUnsafeMutableBytes { block in
                input[..<consumed].withUnsafeBytes { LZ4Block.cut(block, to: size, input: $0) }
            }
            #expect(kept > 0 && kept <= consumed)
            #expect(count <= size && count >= min(size, kept) - 1, "\(size)")
            var expanded = [CChar](repeating: 0, count: kept + 1)
            let length = copy.withUnsafeBytes { bytes in
                LZ4_decompress_safe(
                    bytes.bindMemory(to: CChar.self).baseAddress,
                    &expanded,
                    Int32(count),
                    Int32(kept + 1)
                )
            }
            #expect(Int(length) == kept, "\(size)")
            #expect(expanded.dropLast().map { UInt8(bitPattern: $0) } == Array(input[..<kept]), "\(size)")
        }
    }

    @Test("a size with no room for what a block ends with is given none", arguments: [0, 1, 12])
    func tooSmall(size: Int) throws {
        let input = Self.input("text")
        let lz4 = try #require(LZ4(.lz4(clusterSize: 4096)))
        var block = [UInt8](repeating: 0, count: 4096)
        let (kept, count) = block.withUnsafeMutableBytes { block in
            input.withUnsafeBytes { input in
                let consumed = lz4.fill(block, from: input).0
                return LZ4Block.cut(
                    block,
                    to: size,
                    input: UnsafeRawBufferPointer(rebasing: input[..<consumed])
                )
            }
        }
        #expect(kept == 0 && count == 0)
    }
}
