import Archives
import TestSupport
import Testing

@Suite("Tar reader")
struct TarReaderTests {
    @Test("reads every kind of entry with all its attributes")
    func kinds() throws {
        var tar = TarBuilder()
        tar.addDirectory("d/", mode: 0o1777, uid: 1, gid: 2)
        tar.add(
            "d/f",
            mode: 0o4755,
            uid: 70000,
            gid: 3_000_000_000,
            mtime: 1,
            nanoseconds: 5,
            content: [1, 2, 3]
        )
        tar.addSymbolicLink("s", to: "d/f")
        tar.addHardLink("h", to: "d/f")
        tar.add("c", type: "3", device: (major: 5, minor: 1))
        tar.add("b", type: "4", device: (major: 259, minor: 70000))
        tar.add("p", type: "6")
        let (entries, end) = try read(tar.finish())
        #expect(end == .blocks)
        #expect(
            entries.map(\.kind) == [
                "directory", "regular", "symbolicLink", "hardLink", "characterDevice", "blockDevice", "fifo",
            ]
        )
        #expect(entries[0].permissions == 0o1777)
        #expect(entries[1].userID == 70000 && entries[1].groupID == 3_000_000_000)
        #expect(entries[1].seconds == 1 && entries[1].nanoseconds == 5 && entries[1].content == [1, 2, 3])
        #expect(entries[2].linkTarget == Array("d/f".utf8) && entries[3].linkTarget == Array("d/f".utf8))
        #expect(entries[4].device == [5, 1] && entries[5].device == [259, 70000])
        #expect(try entries == readWithLibarchive(tar.finish()))
    }

    @Test(
        "reads the same whatever the sizes of the source's reads",
        arguments: [1, 7, 511, 512, 513, 4096, 100_000]
    )
    func chunks(chunk: Int) throws {
        let tar = TarCorpus.everything()
        let whole = try read(tar)
        let pieces = try read(tar, chunk: chunk, bufferSize: 4096)
        #expect(whole.entries == pieces.entries)
        #expect(pieces.end == .blocks)
    }

    @Test(
        "reads the same where a source lends its buffers, wherever they end",
        arguments: [1, 7, 511, 512, 513, 4096, 100_000]
    )
    func lentBuffers(size: Int) throws {
        let tar = TarCorpus.everything()
        let reader = TarReader(ReadAheadSource(MemorySource(tar), name: "x", bufferSize: size), name: "x")
        var entries: [ReadEntry] = []
        while let entry = try reader.next() { entries.append(try describe(entry, reader)) }
        #expect(try entries == read(tar).entries)
        #expect(reader.endOfArchive == .blocks)
    }

    @Test("times before 1970 and fractions keep their place on the line")
    func times() throws {
        var tar = TarBuilder()
        for (index, text) in ["-0.25", "-1", "-1.5", "12.", ".5", "0.1234567899", "-9223372036854775807"]
            .enumerated()
        {
            tar.add("f\(index)", pax: [("mtime", Array(text.utf8))])
        }
        let times = try read(tar.finish()).entries.map { [$0.seconds, Int64($0.nanoseconds)] }
        #expect(
            times == [
                [-1, 750_000_000], [-1, 0], [-2, 500_000_000], [12, 0], [0, 500_000_000], [0, 123_456_789],
                [-9_223_372_036_854_775_807, 0],
            ]
        )
    }

    @Test("base-256 numbers may be negative and large")
    func base256() throws {
        var block = TarBuilder().header("f", "0", 0o644, 0, 0, 0, 0, "", (0, 0))
        block.replaceSubrange(136..<148, with: [UInt8](repeating: 0xFF, count: 12))
        block.replaceSubrange(108..<116, with: [0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFE])
        var tar = TarBuilder()
        tar.addRaw(TarCorpus.withChecksum(block))
        let entry = try #require(try read(tar.finish()).entries.first)
        #expect(entry.seconds == -1)
        #expect(entry.userID == 4_294_967_294)
    }

    @Test("pax values may hold newlines and NULs, and an empty one gives way to the header")
    func paxValues() throws {
        var tar = TarBuilder()
        tar.add(
            "name",
            content: [9],
            pax: [
                ("path", []), ("SCHILY.xattr.user.a", [10, 0, 61, 10]), ("SCHILY.xattr.user.empty", []),
                ("comment", [10]),
            ]
        )
        tar.add("n", pax: [("path", Array("a\nb".utf8))])
        let entries = try read(tar.finish()).entries
        #expect(entries[0].path == Array("name".utf8))
        #expect(entries[0].xattrs == [Array("user.a".utf8): [10, 0, 61, 10], Array("user.empty".utf8): []])
        #expect(entries[1].path == Array("a\nb".utf8))
    }

    @Test("xattrs as libarchive and GNU tar encode them are decoded, and the plain form counts")
    func xattrs() throws {
        var tar = TarBuilder()
        tar.add(
            "f",
            pax: [
                ("LIBARCHIVE.xattr.user.a%20b", Array("AQID".utf8)),
                ("LIBARCHIVE.xattr.user.c", Array("AA".utf8)),
                ("SCHILY.xattr.user.c", [7]), ("SCHILY.xattr.user.e%3Df%25%20", [8]),
            ]
        )
        let xattrs = try #require(try read(tar.finish()).entries.first).xattrs
        #expect(
            xattrs == [
                Array("user.a b".utf8): [1, 2, 3], Array("user.c".utf8): [7], Array("user.e=f%%20".utf8): [8],
            ]
        )
    }

    @Test("global pax headers apply until another one, and must not name or size entries")
    func globals() throws {
        var tar = TarBuilder()
        tar.addRaw(
            TarCorpus.pax("g", [("uid", Array("77".utf8)), ("mtime", Array("5.5".utf8)), ("comment", [1])])
        )
        tar.addFile("a", "x")
        tar.add("b", pax: [("uid", []), ("gid", Array("8".utf8))])
        let entries = try read(tar.finish()).entries
        #expect(entries.map(\.userID) == [77, 0])
        #expect(entries.map(\.seconds) == [5, 5])
        for key in ["path", "linkpath", "size", "GNU.sparse.name"] {
            var bad = TarBuilder()
            bad.addRaw(TarCorpus.pax("g", [(key, Array("1".utf8))]))
            bad.addFile("a", "x")
            let error = failure(reading: bad.finish())
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains(key) == true)
        }
    }

    @Test("type flags NUL and 7 are files, a trailing slash makes a folder, dumps and labels are understood")
    func oldTypes() throws {
        var tar = TarBuilder()
        tar.add("label", type: "V")
        tar.add("a", type: "\0", content: [1])
        tar.add("b", type: "7", content: [2])
        tar.add("c/", type: "\0")
        tar.add("d/", type: "0")
        tar.add("e", type: "D", content: Array("Yx\0".utf8))
        tar.add("f", content: [3])
        let entries = try read(tar.finish()).entries
        #expect(
            entries.map(\.kind) == ["regular", "regular", "directory", "directory", "directory", "regular"]
        )
        #expect(entries.map(\.content) == [[1], [2], [], [], [], [3]])
    }

    @Test("links, folders and special files have no content whatever their size field says")
    func headerOnly() throws {
        var tar = TarBuilder()
        tar.add("f", content: [1, 2])
        tar.add("h", type: "1", size: 2, link: "f")
        tar.add("s", type: "2", size: 600, link: "f")
        tar.add("d", type: "5", size: 4096)
        tar.add("p", type: "6", size: 1)
        tar.add("g", content: [3])
        #expect(try read(tar.finish()).entries.map(\.content) == [[1, 2], [], [], [], [], [3]])
        var linked = TarBuilder()
        linked.add("h", type: "1", content: [1, 2], link: "f")
        #expect(failure(reading: linked.finish())?.code == .checksum)
    }

    @Test("signed checksums of old tars are taken")
    func signedChecksum() throws {
        var block = TarBuilder().header("n\u{E9}\u{FC}", "0", 0o644, 0, 0, 0, 0, "", (0, 0))
        for index in 148..<156 { block[index] = 0x20 }
        let sum = block.reduce(0) { $0 + Int(Int8(bitPattern: $1)) }
        let digits = String(sum, radix: 8)
        block.replaceSubrange(
            148..<156,
            with: Array((String(repeating: "0", count: 6 - digits.count) + digits + "\0 ").utf8)
        )
        #expect(try read(block + [UInt8](repeating: 0, count: 1024)).entries.count == 1)
    }

    @Test(
        "an archive ends with two blocks of zeros; without them it says so; data after them is only drained"
    )
    func ends() throws {
        var tar = TarBuilder()
        tar.addFile("a", "x")
        #expect(try read(tar.finish() + Array("garbage".utf8)).end == .blocks)
        #expect(try read(tar.finish() + tar.finish()).entries.count == 1)
        #expect(try read(tar.bytes).end == .missing)
        #expect(try read(tar.bytes + [UInt8](repeating: 0, count: 512)).end == .missing)
        let empty = try read([UInt8](repeating: 0, count: 1024))
        #expect(empty.entries.isEmpty && empty.end == .blocks)
        let lone = failure(reading: tar.bytes + [UInt8](repeating: 0, count: 512) + tar.finish())
        #expect(lone?.code == .invalid && lone?.message.contains("byte 1024 after the entry 'a'") == true)
    }

    @Test(
        "what is no tar is told as such",
        arguments: [
            [], Array("hello".utf8), [UInt8](repeating: 0, count: 512),
            Array(repeating: UInt8(ascii: "<"), count: 5000),
        ]
    )
    func notATar(bytes: [UInt8]) {
        let error = failure(reading: bytes)
        #expect(error?.code == .notATar)
        #expect(error?.message.hasPrefix("test.tar is not a tar archive") == true)
    }
}
