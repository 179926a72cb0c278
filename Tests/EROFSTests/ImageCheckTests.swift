import Host
import SystemPackage
import TestSupport
import Testing

@testable import EROFS

@Suite("Checking an image that nobody vouches for")
struct ImageCheckTests {
    // MARK: Sound images

    @Test("everything that the writer makes is sound", arguments: KernelTests.compressions)
    func everything(compression: Compression) throws {
        let image = try Image(NastyTrees.everything(), WriterOptions(compression: compression))
        let report = try ImageCheck().check(File(image.path, .readOnly))
        #expect(report.inodes == image.summary.inodes && report.entries == image.summary.entries)
        #expect((report.expandedBytes > 0) == (compression != .none))
    }

    @Test("random trees are sound", arguments: Array<UInt64>(1...6))
    func random(seed: UInt64) throws {
        let compression = KernelTests.compressions[Int(seed) % KernelTests.compressions.count]
        let image = try Image(NastyTrees.random(seed: seed), WriterOptions(compression: compression))
        let report = try ImageCheck().check(File(image.path, .readOnly))
        #expect(report.entries == image.summary.entries)
    }

    @Test(
        "holes are sound, and cost next to no time however large",
        arguments: [Compression.none, .lz4(clusterSize: 65536)]
    )
    func holes(compression: Compression) throws {
        var model = Model()
        model.add("sparse", .file([.bytes([1]), .hole(1 << 30), .bytes([2])]))
        let image = try Image(model, WriterOptions(compression: compression))
        let report = try ImageCheck().check(File(image.path, .readOnly))
        #expect(report.fileBytes == 1 << 30 + 2)
    }

    @Test(
        "what mkfs.erofs makes of a tree is sound",
        arguments: [
            [], ["-Eforce-inode-extended"], ["-Enoinline_data"],
            ["-Eforce-inode-blockmap", "--chunksize=4096"],
        ]
    )
    func upstream(options: [String]) async throws {
        let folder = try TemporaryDirectory("upstream")
        let tree = folder.appending("tree")
        try await check("bash", ["-ec", Self.makeTree, "bash", tree.string])
        let path = folder.appending("image.erofs")
        try await check("mkfs.erofs", options + [path.string, tree.string])
        let names = try await check("find", [tree.string, "-mindepth", "1", "-printf", "x"])
        let report = try ImageCheck().check(File(path, .readOnly))
        #expect(report.entries == UInt64(names.count))
    }

    private static let makeTree = """
        mkdir -p "$1/dir/sub/deep" "$1/many" && cd "$1"
        head -c 100000 /dev/urandom > noise; head -c 5 /dev/zero > dir/small; : > dir/empty
        for i in $(seq 500); do echo $i > many/file-$i; done
        ln noise dir/hard; ln -s ../noise dir/soft; mkfifo dir/pipe; mknod dir/null c 1 3
        setfattr -n user.a -v b dir; setfattr -n user.a -v b noise; setfattr -n trusted.c -v d noise
        truncate -s 3000000 dir/sub/sparse; touch -d 1960-01-01 dir/sub
        """

    // MARK: Damage

    /// A tree with something of every kind to damage.
    private static func model() -> Model {
        var generator = SeededRandom(9)
        var model = Model()
        let label = [ExtendedAttribute("user.label", [1, 2, 3])]
        let labelled = Attributes(permissions: 0o644, modified: Model.time, xattrs: label)
        // The first time is that of compact inodes: all others are extended.
        model.add("early", .fifo, Attributes(permissions: 0o644))
        model.add("dir", .directory)
        model.add("dir/a", text: "first")
        model.add("dir/b", text: "second")
        model.add("dir/sub", .directory)
        model.add("dir/sub/end", text: "end")
        model.add("link", .symbolicLink(Array("dir/a".utf8)))
        model.add("noise", .file([.bytes(generator.noise(12_000))]))
        model.add("one", .fifo, labelled)
        let pair = [ExtendedAttribute("user.a", [1]), ExtendedAttribute("user.b", [2])]
        model.add("pair", .fifo, Attributes(permissions: 0o644, xattrs: pair))
        model.add("prose", .file([.bytes(generator.prose(200_000))]))
        model.add("sparse", .file([.bytes([1]), .hole(4 << 20), .bytes([2])]))
        model.add("three", .fifo, labelled)
        model.add("two", .fifo, labelled)
        model.add("twin", .link([Array("dir".utf8), Array("b".utf8)]))
        return model
    }

    private static let compressed = Result { try Specimen(model()) }
    private static let plain = Result { try Specimen(model(), WriterOptions(compression: .none)) }

    /// One damage, what it is in words, and what the check has to say of it.
    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let verdict: String
        var compression = Compression.lz4(clusterSize: 65536)
        let inflict: @Sendable (inout Specimen) throws -> Void
    }

    private static func damage(
        _ what: String,
        _ verdict: String,
        _ compression: Compression = .lz4(clusterSize: 65536),
        _ inflict: @escaping @Sendable (inout Specimen) throws -> Void
    ) -> Damage {
        Damage(testDescription: what, verdict: verdict, compression: compression, inflict: inflict)
    }

    /// `i_size`, and the byte where the 64-byte form has the link count.
    private static let sizeOffset = 8
    private static let linksOffset = InodeFields.extendedLinksOffset

    static let superblock = [
        damage("an unknown feature", "feature bits 0x8000 are not known") {
            $0.bytes[Superblock.offset + 81] |= 0x80
        },
        damage("a time of more than a second", "the superblock's time has") {
            $0.store(UInt32(1_000_000_000), at: Superblock.offset + 32)
        },
        damage("more blocks than the file has", "the superblock claims") {
            $0.store(UInt32.max, at: Superblock.offset + 36)
        },
        damage("settings of LZ4 that are cut off", "the settings of LZ4 have 11 bytes") {
            $0.store(UInt16(11), at: Superblock.offset + Superblock.size)
        },
        damage("more of a superblock than a block holds", "more than its block holds") {
            $0.bytes[Superblock.offset + 13] = 255
        },
        damage("larger blocks of folders", "blocks of folders") { $0.bytes[Superblock.offset + 90] = 1 },
        damage("prefixes of attributes' names", "prefixes of extended") {
            $0.bytes[Superblock.offset + 91] = 1
        },
        damage("clusters larger than EROFS has them", "announces clusters of 65535 blocks") {
            $0.store(UInt16.max, at: Superblock.offset + Superblock.size + 4)
        },
        damage("smaller clusters than files have", "bytes, the superblock announces 4096") {
            $0.store(UInt16(1), at: Superblock.offset + Superblock.size + 4)
        },
        damage("a root beyond the image", "lies beyond the image") {
            $0.store(UInt16.max, at: Superblock.offset + 14)
        },
        damage("a root that is a file", "has a type or layout that is not known") {
            $0.store(UInt16(0), at: Superblock.offset + 14)
        },
        damage("no word of the larger clusters that files have", "which the superblock does not announce") {
            $0.bytes[Superblock.offset + 80] &= ~2
        },
        damage("no word of the chunks that files have", "chunks, which the superblock", .none) {
            $0.bytes[Superblock.offset + 80] &= ~4
        },
    ]

    static let folders = [
        damage("an entry that leads nowhere", "\"/dir/a\": inode 281474976710656 lies beyond the image") {
            $0.store(UInt64(1) << 48, at: try $0.entry("a", in: "dir"))
        },
        damage("an entry of another type", "\"/dir/a\": the folder calls inode") {
            $0.bytes[try $0.entry("a", in: "dir") + 10] = 7
        },
        damage("an entry of no type", "no valid name or type") {
            $0.bytes[try $0.entry("a", in: "dir") + 10] = 0
        },
        damage("names out of order", "\"/dir/a\": the names of the folder are not sorted") {
            let (first, second) = (try $0.name("a", in: "dir"), try $0.name("b", in: "dir"))
            $0.bytes.swapAt(first, second)
        },
        damage("a name twice", "\"/dir/a\": the names of the folder are not sorted, or one is there twice") {
            $0.bytes[try $0.name("b", in: "dir")] = UInt8(ascii: "a")
        },
        damage("a name with a slash", "no valid name") {
            $0.bytes[try $0.name("a", in: "dir")] = UInt8(ascii: "/")
        },
        damage("a name with a NUL", "no valid name") { $0.bytes[try $0.name("a", in: "dir")] = 0 },
        damage("a name outside its block", "lies outside its block") {
            $0.store(UInt16(4096), at: try $0.entry("b", in: "dir") + 8)
        },
        damage("a block that does not begin with entries", "does not begin with entries") {
            $0.store(UInt16(7), at: try $0.entry(".", in: "dir") + 8)
        },
        damage("a . that leads elsewhere", "\"/dir/.\": the entry leads to") {
            $0.store(try $0.inode("").nid, at: try $0.entry(".", in: "dir"))
        },
        damage("a .. that leads elsewhere", "\"/dir/sub/..\": the entry leads to") {
            $0.store(try $0.inode("").nid, at: try $0.entry("..", in: "dir/sub"))
        },
        damage("a folder within itself", "\"/dir/sub\": the folder") {
            $0.store(try $0.inode("dir").nid, at: try $0.entry("sub", in: "dir"))
        },
        damage("a file of one name with two", "has more names than its link count says") {
            $0.store(try $0.inode("dir/a").nid, at: try $0.entry("b", in: "dir"))
        },
        damage("a file with a name less than it says", "has 1 fewer names than its link count says") {
            $0.store(UInt32(3), at: Int(try $0.inode("twin").offset) + linksOffset)
        },
        damage("a file that says it has no name", "a link count of 0") {
            $0.store(UInt32(0), at: Int(try $0.inode("dir/a").offset) + linksOffset)
        },
        damage("a folder that miscounts its folders", "holds 1 folders, its link count is 2") {
            $0.store(UInt32(2), at: Int(try $0.inode("dir").offset) + linksOffset)
        },
        damage("a folder without . and ..", "\"/dir/sub\": the folder") {
            $0.store(UInt64(0), at: Int(try $0.inode("dir/sub").offset) + sizeOffset)
        },
    ]

    static let inodes = [
        damage("a time of more than a second", "has a time with") {
            $0.store(UInt32.max, at: Int(try $0.inode("dir/a").offset) + 40)
        },
        damage("data beyond the image", "\"/noise\": the 12000 bytes of inode") {
            let inode = try $0.inode("noise")
            $0.bytes[Int(inode.offset)] &= 1
            $0.store(UInt32.max, at: Int(inode.offset) + 16)
        },
        damage("2^63 bytes with nothing behind them", "lie beyond the image") {
            $0.store(UInt64(Int64.max), at: Int(try $0.inode("dir/a").offset) + sizeOffset)
        },
        damage("more than 2^63 bytes", "has 9223372036854775808 bytes") {
            $0.store(UInt64(1) << 63, at: Int(try $0.inode("dir/a").offset) + sizeOffset)
        },
        damage("a tail that crosses a block", "the tail of inode") {
            $0.store(UInt64(4095), at: Int(try $0.inode("dir/a").offset) + sizeOffset)
        },
        damage("a tail that runs into the next inode", "overlaps another") {
            $0.store(UInt64(100), at: Int(try $0.inode("dir/a").offset) + sizeOffset)
        },
        damage("an inode that lies in another", "\"/dir/b\"") {
            $0.store(try $0.inode("dir/a").nid + 1, at: try $0.entry("b", in: "dir"))
        },
        damage("a link to nothing", "the symbolic link") {
            $0.store(UInt64(0), at: Int(try $0.inode("link").offset) + sizeOffset)
        },
        damage("a link to a path with a NUL", "contains a NUL byte") {
            $0.bytes[Int(try $0.inode("link").bodyOffset)] = 0
        },
        damage("a chunk beyond the image", "\"/sparse\": a chunk of inode", .none) {
            $0.store(UInt32.max - 1, at: Int(align(try $0.inode("sparse").bodyOffset, to: 4)))
        },
        damage("chunks of an unknown format", "has chunks of the format", .none) {
            $0.store(UInt32(0x20), at: Int(try $0.inode("sparse").offset) + 16)
        },
        damage("a chunk table longer than the image", "runs over the end of the image", .none) {
            $0.store(UInt64(1) << 62, at: Int(try $0.inode("sparse").offset) + sizeOffset)
        },
    ]

    static let xattrs = [
        damage("an attribute of an unknown namespace", "unknown or broken name") {
            $0.bytes[Int(try $0.inode("one").fixedEnd) + Format.xattrHeaderSize + 1] = 9
        },
        damage("a value longer than the attributes", "run over their end") {
            $0.store(UInt16.max, at: Int(try $0.inode("one").fixedEnd) + Format.xattrHeaderSize + 2)
        },
        damage("more shared attributes than have room", "without room for them") {
            $0.bytes[Int(try $0.inode("one").fixedEnd) + 4] = 200
        },
        damage("an attribute twice", "has the extended attribute \"user.b\" twice") {
            let start = Int(try $0.inode("pair").fixedEnd) + Format.xattrHeaderSize
            $0.bytes[start + Format.xattrEntrySize] = UInt8(ascii: "b")
        },
        damage("a shared attribute beyond the image", "lie beyond the image") {
            $0.store(UInt32.max, at: Int(try $0.inode("two").fixedEnd) + Format.xattrHeaderSize)
        },
        damage("attributes beyond the image", "lie beyond the image") {
            $0.store(UInt16.max, at: Int(try $0.inode("two").offset) + 2)
        },
    ]

    static let clusters = [
        damage("compressed data that does not expand to what the index says", "does not decompress") {
            let cluster = try ClusterReader($0.reader, $0.inode("prose")).cluster(at: 0)
            let end = Int(cluster.imageOffset) + cluster.imageSize
            for byte in end - 2000..<end { $0.bytes[byte] = 0xFF }
        },
        damage("an index of nonsense", "\"/prose\": the index of inode") {
            let inode = try $0.inode("prose")
            let end = try ClusterReader($0.reader, inode).metadataEnd
            for byte in Int(align(inode.bodyOffset, to: 8)) + 16..<Int(end) { $0.bytes[byte] = 0xFF }
        },
        damage("an index beyond the image", "runs over the end of the image") {
            $0.store(UInt64(1) << 60, at: Int(try $0.inode("prose").offset) + sizeOffset)
        },
    ]

    @Test(
        "damage is found, and named with its path",
        arguments: superblock + folders + inodes + xattrs + clusters
    )
    func damaged(damage: Damage) throws {
        var specimen = try (damage.compression == .none ? Self.plain : Self.compressed).get()
        try damage.inflict(&specimen)
        let verdict = try #require(try specimen.verdict())
        #expect(verdict.contains(damage.verdict), "\(verdict)")
    }

    // MARK: Limits

    @Test("an image beyond a limit is refused")
    func limits() throws {
        let specimen = try Self.compressed.get()
        func verdict(_ limits: ImageCheck.Limits) throws -> String? {
            try specimen.verdict(ImageCheck(limits: limits))
        }
        #expect(try verdict(.init(entries: 14))?.contains("more than 14 names") == true)
        #expect(try verdict(.init(depth: 1))?.contains("more than 1 deep") == true)
        #expect(try verdict(.init(expandedBytes: 1000))?.contains("expands to more than 1000 bytes") == true)
        #expect(try verdict(.init(pathBytes: 10))?.contains("\"/dir/sub/end\": its path is longer") == true)
        #expect(try verdict(.init(tarBytes: 1 << 20))?.contains("come to more than 1048576 bytes") == true)
        let ample = ImageCheck.Limits(
            entries: 15,
            depth: 2,
            pathBytes: 11,
            expandedBytes: 1 << 30,
            tarBytes: 8 << 20
        )
        #expect(try specimen.verdict(ImageCheck(limits: ample)) == nil)
    }

    @Test("a tree is counted as a tar would hold it: shared attributes for each inode, links once more")
    func tarBytes() throws {
        var model = Model()
        let xattrs = [ExtendedAttribute("user.label", [UInt8](repeating: 1, count: 60_000))]
        let labelled = Attributes(permissions: 0o644, xattrs: xattrs)
        for index in 0..<50 { model.add("\(index)", .file([]), labelled) }
        let image = try Image(model)
        #expect(image.summary.size < 300_000)
        let report = try ImageCheck().check(File(image.path, .readOnly))
        #expect((50 * 61_000...50 * 62_000).contains(report.tarBytes))
        for index in 0..<50 { model.add("link-\(index)", .link([Array("0".utf8)])) }
        let again = try Image(model)
        let linked = try ImageCheck().check(File(again.path, .readOnly))
        #expect((100 * 61_000...100 * 62_000).contains(linked.tarBytes))
        #expect(linked.inodes == report.inodes)
    }

    @Test("a check stops when it is asked to")
    func cancelled() throws {
        let specimen = try Self.compressed.get()
        let cancellation = Cancellation()
        cancellation.cancel()
        #expect(throws: EROFSError.cancelled) {
            try ImageCheck(cancellation: cancellation).check(specimen.file())
        }
    }

    @Test("folders that share the blocks of their entries are refused, not walked again and again")
    func sharedEntries() throws {
        var model = Model()
        for folder in 0..<3 {
            model.add("\(folder)", .directory)
            for index in 0..<1000 { model.add("\(folder)/!\(1000 + index)", .file([])) }
        }
        var specimen = try Specimen(model)
        let first = try specimen.inode("0")
        specimen.store(first.fields.union, at: Int(try specimen.inode("1").offset) + 16)
        let verdict = try #require(try specimen.verdict())
        #expect(verdict.contains("overlap other metadata"), "\(verdict)")
    }
}
