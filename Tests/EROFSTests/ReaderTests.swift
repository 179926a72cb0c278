import EROFS
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Reading an image that is not to be trusted")
struct ReaderTests {
    @Test("a reader goes when nobody has it, also after it read packed files")
    func lifetime() throws {
        var model = Model()
        model.add("small", .file([.bytes([UInt8](repeating: 7, count: 1000))]))
        let image = try Image(model, WriterOptions(guestKernel: GuestKernel(6, 1)))
        func read() throws -> () -> ImageReader? {
            let reader = try image.reader()
            let inode = try #require(try reader.lookup([Array("small".utf8)]))
            #expect(try reader.readAll(inode) == [UInt8](repeating: 7, count: 1000))
            return { [weak reader] in reader }
        }
        #expect(try read()() == nil)
    }

    @Test(
        "an image with any byte changed or cut off is read or refused, never a trap",
        arguments: [1 as UInt64, 2, 3]
    )
    func mutated(seed: UInt64) throws {
        var model = Model()
        var generator = SeededRandom(seed)
        let label = [ExtendedAttribute("user.a", [1, 2, 3])]
        model.add("dir", .directory, Attributes(permissions: 0o755, xattrs: label))
        model.add(
            "dir/file",
            .file([.bytes(generator.prose(60_000))]),
            Attributes(permissions: 0o644, xattrs: label)
        )
        model.add("dir/small", text: "small")
        model.add("link", .symbolicLink([97]))
        let original = try Image(model).bytes()
        let folder = try TemporaryDirectory("mutated")
        for _ in 0..<300 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                // Mostly metadata: the superblock's checksum would refuse every change of the first block.
                let index = Int.random(in: 4096..<bytes.count, using: &generator)
                bytes[index] = UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                bytes.removeLast(Int.random(in: 0...4096, using: &generator))
            }
            let path = try folder.write(bytes, to: "image")
            try ignoringCorruption { try walk(ImageReader(file: File(path, .readOnly))) }
        }
    }

    @Test("a changed first block does not pass its checksum")
    func checksum() throws {
        var model = Model()
        model.add("a", text: "a")
        var bytes = try Image(model).bytes()
        bytes[1300] ^= 1
        let folder = try TemporaryDirectory("checksum")
        let path = try folder.write(bytes, to: "image")
        #expect(throws: EROFSError.corrupt("the superblock's checksum does not fit")) {
            try ImageReader(file: File(path, .readOnly))
        }
    }

    private func walk(_ reader: ImageReader) throws {
        var stack: [(UInt64, Int)] = [(reader.root, 0)]
        var steps = 0
        while let (nid, depth) = stack.popLast(), steps < 200 {
            steps += 1
            try ignoringCorruption {
                let inode = try reader.inode(nid)
                _ = try reader.xattrs(of: inode)
                switch inode.kind {
                case .directory where depth < 5 && inode.size < 1 << 20:
                    stack += try reader.entries(of: inode).map { ($0.nid, depth + 1) }
                case .symbolicLink: _ = try reader.target(of: inode)
                case .regular: _ = try reader.readAll(inode, limit: 1 << 20)
                default: break
                }
            }
        }
    }

    /// An error of ours is as good an answer as data; anything else fails the test.
    private func ignoringCorruption(_ body: () throws -> Void) throws {
        do { try body() } catch let error {
            guard error is EROFSError else { throw error }
        }
    }
}
