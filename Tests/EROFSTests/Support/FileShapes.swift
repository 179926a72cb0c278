import EROFS
import TestSupport

extension NastyTrees {
    /// Files of every size around the edges of blocks, clusters and segments, with every kind of content.
    static func shapes() -> Model {
        var generator = SeededRandom(2)
        var model = Model()
        for edge in [0, 4096, 8192, 16384, 65536, 131_072, 1 << 20] {
            for size in [edge - 1, edge, edge + 1] where size >= 0 {
                for (name, pieces) in contents(size, &generator) {
                    model.add("\(name)-\(size)", .file(pieces))
                }
            }
        }
        // Holes of a chunk and more, at the beginning, in the middle, at the end, and nothing else.
        let end = Piece.bytes(generator.prose(5000))
        for (name, pieces) in [
            ("front", [.hole(3 << 20), end]), ("back", [end, .hole((2 << 20) + 1)]),
            ("middle", [end, .hole(2 << 20), end]), ("all", [.hole((4 << 20) - 1)]),
            ("comb", (0..<4).flatMap { _ in [end, .hole(1 << 20)] }),
        ] as [(String, [Piece])] {
            model.add("hole-\(name)", .file(pieces))
        }
        return model
    }

    private static func contents(_ size: Int, _ generator: inout SeededRandom) -> [(String, [Piece])] {
        guard size > 0 else { return [("empty", [])] }
        let noise = generator.noise(size)
        let prose = generator.prose(size)
        let zeros = [UInt8](repeating: 0, count: size)
        // Turns every few kilobytes from what compresses into what does not, or into nothing.
        var mixed = prose
        for start in stride(from: 0, to: size, by: 7000) {
            let part = start..<min(size, start + 2500)
            mixed.replaceSubrange(part, with: start % 14_000 == 0 ? noise[part] : zeros[part])
        }
        return [
            ("noise", [.bytes(noise)]), ("prose", [.bytes(prose)]), ("zeros", [.bytes(zeros)]),
            ("mixed", [.bytes(mixed)]), ("hole", [.hole(UInt64(size))]),
            ("ends", size < 3 ? [.bytes(noise)] : [.bytes([1]), .hole(UInt64(size - 2)), .bytes([2])]),
        ]
    }
}
