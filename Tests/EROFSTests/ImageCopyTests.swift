import EROFS
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Writing an image anew")
struct ImageCopyTests {
    /// Copies an image with other options.
    private func copy(_ image: Image, _ options: WriterOptions) throws -> Image {
        try Image(options) { writer in try ImageCopy.copy(image.reader(), to: writer) }
    }

    @Test("a copy holds what the image holds, whatever either is compressed with")
    func everything() throws {
        let model = NastyTrees.everything()
        let image = try Image(model)
        for compression in [Compression.none, .lz4(clusterSize: 4096)] {
            let copy = try copy(image, WriterOptions(compression: compression))
            try expectReader(copy, holds: model)
            _ = try ImageCheck().check(File(copy.path, .readOnly))
        }
    }

    @Test("random trees come back", arguments: Array<UInt64>(1...4))
    func random(seed: UInt64) throws {
        let model = NastyTrees.random(seed: seed)
        let copy = try copy(Image(model, WriterOptions(compression: .none)), WriterOptions())
        try expectReader(copy, holds: model)
    }

    @Test("a copy with the options of an image that has nothing replaced is that image, byte for byte")
    func same() throws {
        var model = Model()
        var generator = SeededRandom(3)
        // Not in the order of their names: that of the inodes has to be kept.
        model.add("z", text: "first")
        model.add("a", .directory)
        model.add("a/prose", .file([.bytes(generator.prose(300_000))]))
        model.add("m", .symbolicLink([97]))
        model.add("a/link", .link([Array("z".utf8)]))
        let image = try Image(model)
        #expect(try copy(image, WriterOptions()).bytes() == image.bytes())
    }

    @Test("holes stay holes")
    func holes() throws {
        var model = Model()
        model.add("sparse", .file([.bytes([1]), .hole(1 << 30), .bytes([2])]))
        let image = try Image(model, WriterOptions(compression: .none))
        let copy = try copy(image, WriterOptions(compression: .none))
        #expect(copy.summary.size < 1 << 24)
        try expectReader(copy, holds: model)
    }
}
