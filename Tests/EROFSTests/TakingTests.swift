import Host
import SystemPackage
import TestSupport
import Testing

@testable import EROFS

/// Images made of others', each below a folder of its own: files go over as they are stored.
@Suite("Taking files over from other images", .serialized)
struct TakingTests {
    private static let ways = ConformanceTests.ways.map(\.options)

    /// Makes an image of those files of others that are chosen, and of everything else in them.
    private func take(
        _ images: [Image],
        _ options: WriterOptions = WriterOptions(guestKernel: GuestKernel(6, 1)),
        where isChosen: ([[UInt8]]) -> Bool = { _ in true }
    ) throws -> Image {
        try Image(options) { writer in
            let readers = try images.map { try $0.reader() }
            let chosen = try readers.enumerated().map { number, reader in
                try Names(reader).all.filter {
                    $0.inode.kind != .regular || isChosen(prefixed($0.path, number))
                }
            }
            let places = try zip(readers, chosen).map { reader, names in
                try writer.takePacked(
                    from: reader,
                    needed: names.compactMap { try reader.packedRange(of: $0.inode) }
                )
            }
            for (number, reader) in readers.enumerated() {
                var copy = Taking(reader: reader, writer: writer, places: places[number])
                try copy.run(chosen[number], into: Array("\(number)".utf8))
            }
        }
    }

    private func prefixed(_ path: [[UInt8]], _ number: Int) -> [[UInt8]] { [Array("\(number)".utf8)] + path }

    /// What an image made of others' has to hold.
    private func combined(_ models: [Model], where isChosen: ([[UInt8]]) -> Bool = { _ in true }) -> Model {
        var result = Model()
        for (number, model) in models.enumerated() {
            result.add(prefixed([], number), .directory, model.root)
            for item in model.items {
                let path = prefixed(item.path, number)
                if case .file = item.thing, !isChosen(path) { continue }
                guard case .link(let target) = item.thing else {
                    result.add(path, item.thing, item.attributes)
                    continue
                }
                result.add(path, .link(prefixed(target, number)), item.attributes)
            }
        }
        return result
    }

    private func judge(_ image: Image, _ model: Model, mounting: Bool = true) async throws {
        try expectReader(image, holds: model)
        _ = try ImageCheck().check(File(image.path, .readOnly))
        // Debian 12's fsck.erofs is older than files that are packed together.
        if image.summary.minimumKernel < GuestKernel(6, 1) { try await expectFsck(image) }
        if mounting { try await expectKernel(image, holds: model) }
    }

    @Test("holds what they hold, however they are written", arguments: [0, 3, 6, 8])
    func everything(way: Int) async throws {
        let models = [NastyTrees.shapes(), NastyTrees.everything()]
        let images = try models.map { try Image($0, Self.ways[way]) }
        try await judge(try take(images), combined(models))
    }

    @Test("stays within the guests' kernel, whatever theirs is", arguments: ["5.4", "5.15", "5.17"])
    func guestKernel(release: String) async throws {
        let kernel = try #require(GuestKernel(release))
        let models = [NastyTrees.shapes(), NastyTrees.shapes()]
        let images = try zip(models, [8, 3]).map { try Image($0, Self.ways[$1]) }
        for compression in [Compression.none, .lz4(clusterSize: 65536)] {
            let options = WriterOptions(compression: compression, guestKernel: kernel)
            let image = try take(images, options)
            #expect(image.summary.minimumKernel <= kernel)
            try await judge(image, combined(models), mounting: compression != .none)
        }
    }

    @Test("of images in every form at once")
    func mixed() async throws {
        let models = Self.ways.indices.map { NastyTrees.random(seed: UInt64($0)) }
        let images = try zip(models, Self.ways).map { try Image($0, $1) }
        try await judge(try take(images), combined(models))
    }

    @Test("takes the compressed bytes as they are")
    func verbatim() throws {
        let model = NastyTrees.shapes()
        let source = try Image(model, Self.ways[8])
        let taken = try take([source], WriterOptions(compression: .none, guestKernel: GuestKernel(6, 1)))
        let (old, new) = (try source.reader(), try taken.reader())
        for name in try Names(old).all where name.inode.isCompressed {
            let inode = try #require(try new.lookup(prefixed(name.path, 0)))
            #expect(inode.isCompressed)
            let (ours, theirs) = (try ClusterReader(new, inode), try ClusterReader(old, name.inode))
            var position: UInt64 = 0
            while position < inode.size {
                let (mine, other) = (try ours.cluster(at: position), try theirs.cluster(at: position))
                #expect(mine.end == other.end && mine.isPlain == other.isPlain)
                #expect(mine.imageSize == other.imageSize)
                #expect(
                    try new.read(mine.imageOffset, mine.imageSize)
                        == old.read(other.imageOffset, other.imageSize)
                )
                position = mine.end
            }
        }
        #expect(taken.summary.size <= source.summary.size + 65536)
    }

    @Test("leaves out of the packed files what nobody needs", arguments: Array<UInt64>(1...8))
    func packed(seed: UInt64) async throws {
        var generator = SeededRandom(seed)
        var models: [Model] = []
        for _ in 0..<4 {
            var model = Model()
            for number in 0..<Int.random(in: 1...300, using: &generator) {
                let size = Int.random(in: 33...20_000, using: &generator)
                let content = number % 3 == 0 ? generator.noise(size) : generator.prose(size)
                model.add("\(number)", .file([.bytes(content)]))
            }
            models.append(model)
        }
        let images = try models.map { try Image($0, Self.ways[8]) }
        var chosen: Set<[[UInt8]]> = []
        for (number, model) in models.enumerated() {
            // Stretches of files, and single ones.
            var isIn = false
            for item in model.items {
                if Int.random(in: 0..<12, using: &generator) == 0 { isIn.toggle() }
                if isIn { chosen.insert(prefixed(item.path, number)) }
            }
        }
        let image = try take(images, where: chosen.contains)
        try await judge(image, combined(models, where: chosen.contains))
        let whole = try take(images)
        #expect(image.summary.size < whole.summary.size)
        #expect(try take(images).bytes() == whole.bytes(), "the same bytes each time")
    }

    @Test("files beyond 4 GiB go over piece by piece, both ends with them")
    func large() async throws {
        var generator = SeededRandom(5)
        let prose = generator.prose(3_000_000)
        var model = Model()
        let hole: UInt64 = 4 << 30
        model.add("large", .file([.bytes(prose), .hole(hole), .bytes(prose)]))
        let image = try take([Image(model, Self.ways[3])])
        try await withMount(image, loop: false) { mount in
            let file = try File(mount.appending("0").appending("large"), .readOnly)
            #expect(try file.status().size == hole + 2 * UInt64(prose.count))
            for offset in [0, UInt64(prose.count) + hole] {
                var bytes = [UInt8](repeating: 0, count: prose.count)
                try bytes.withUnsafeMutableBytes { try file.readFully($0, at: offset) }
                #expect(bytes == prose)
            }
        }
    }

    @Test("chunk-based files keep their holes")
    func holes() throws {
        var model = Model()
        model.add("sparse", .file([.bytes([1]), .hole(1 << 27), .bytes([2])]))
        let image = try take([Image(model, Self.ways[0])])
        #expect(image.summary.size < 1 << 24)
        try expectReader(image, holds: combined([model]))
    }

    @Test("of images that mkfs.erofs made")
    func foreign() async throws {
        let model = NastyTrees.shapes()
        let source = try Image(model)
        try await withMount(source, loop: false) { mount in
            for arguments in [["-zlz4", "-C65536", "-Eztailpacking"], ["-zlz4hc"], []] {
                let path = source.folder.appending("foreign-\(arguments.count).erofs")
                try await check("mkfs.erofs", ["--quiet"] + arguments + [path.string, mount.string])
                let reader = try ImageReader(file: File.regular(path))
                let image = try Image(WriterOptions(guestKernel: GuestKernel(6, 1))) { writer in
                    var copy = Taking(reader: reader, writer: writer, places: nil)
                    try copy.run(try Names(reader).all, into: Array("0".utf8))
                }
                try expectReader(image, holds: combined([model]))
                _ = try ImageCheck().check(File(image.path, .readOnly))
            }
        }
    }
}
