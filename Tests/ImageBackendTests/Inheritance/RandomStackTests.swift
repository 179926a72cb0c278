import Glibc
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Random stacks of layers")
struct RandomStackTests {
    /// Forty, or as many as `SLIPWAY_TEST_STACKS` says.
    private static let seeds = 0..<(getenv("SLIPWAY_TEST_STACKS").flatMap { Int(String(cString: $0)) } ?? 40)

    @Test("are to a guest what they are to an unpacker", arguments: seeds)
    func same(seed: Int) async throws {
        var generator = StackGenerator(seed: UInt64(seed))
        // What an unpacker refuses says nothing about what a guest should see.
        var layers = generator.layers()
        while (try? await Unpacked(layers: layers)) == nil { layers = generator.layers() }
        let stack = try await LayerStackFixture(layers)
        let lines = try await stack.differences(ignoring: .links)
        #expect(lines == [])
    }
}

/// Makes small stacks of layers in which everything happens to a few names.
struct StackGenerator {
    private var random: SeededRandom
    private static let names = ["a", "b", "c", "lib"]

    init(seed: UInt64) { random = SeededRandom(seed &* 0x9E37_79B9_7F4A_7C15 | 1) }

    /// Layers, bottom first.
    mutating func layers() -> [[UInt8]] {
        (0..<Int(2 + next(3))).map { position in
            archive { tar in
                if next(2) == 0 {
                    tar.addDirectory("./", mode: 0o700 | UInt32(next(64)), mtime: 1_400_000_000)
                }
                // At most one entry of each path: what a second one means depends on the unpacker.
                var taken: Set<String> = []
                for _ in 0..<Int(2 + next(8)) { add(&tar, position, &taken) }
                tar.addFile("z\(position)", "so that no layer is empty")
            }
        }
    }

    private mutating func add(_ tar: inout TarBuilder, _ position: Int, _ taken: inout Set<String>) {
        let path = path()
        guard taken.insert(path).inserted else { return }
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        let name = path.split(separator: "/").last.map(String.init) ?? "x"
        let prefix = folder.isEmpty ? "" : folder + "/"
        switch next(10) {
        case 0, 1, 2:
            tar.add(
                path,
                mode: 0o600 | UInt32(next(64)),
                uid: next(9),
                content: Array("\(position) \(path)".utf8)
            )
        case 3, 4, 5:
            tar.addDirectory(
                path,
                mode: 0o700 | UInt32(next(64)) | (next(4) == 0 ? 0o2000 : 0),
                uid: next(9),
                gid: next(9),
                mtime: 1_500_000_000 + Int64(next(1000)),
                xattrs: next(3) == 0 ? [("user.x", [UInt8(next(250))])] : []
            )
        case 6: tar.addSymbolicLink(path, to: target())
        case 7: if position > 0 { tar.addFile("\(prefix).wh.\(name)", "") }
        case 8: if position > 0, next(2) == 0 { tar.addFile("\(prefix).wh..wh..opq", "") }
        default: tar.addHardLink(path, to: self.path())
        }
    }

    private mutating func path() -> String {
        (0...Int(next(3))).map { _ in Self.names[Int(next(UInt64(Self.names.count)))] }.joined(separator: "/")
    }

    private mutating func target() -> String {
        let prefix = ["", "/", "../", "./"][Int(next(4))]
        return prefix + path()
    }

    private mutating func next(_ bound: UInt64) -> UInt64 { random.next() % bound }
}
