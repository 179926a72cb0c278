import Archives
import TestSupport
import Testing

@Suite("Tar reader, bad archives")
struct TarReaderErrorTests {
    @Test("an archive cut anywhere is an error or says that its end is missing, and never reads as complete")
    func truncation() throws {
        let tar = TarCorpus.everything()
        let whole = try read(tar).entries
        // Past the second end block there is nothing to lose.
        for length in stride(from: 0, to: tar.count, by: 97) {
            do {
                let (entries, end) = try read(Array(tar[..<length]))
                #expect(end == .missing, "\(length)")
                #expect(entries == Array(whole.prefix(entries.count)), "\(length)")
            } catch {
                #expect([.truncated, .notATar].contains(error.code), "\(length): \(error)")
            }
        }
    }

    @Test("content that ends with the archive, without its padding, is all there; the end is missing")
    func withoutPadding() throws {
        var tar = TarBuilder()
        tar.addFile("inserted", "by umoci")
        let (entries, end) = try read(Array(tar.bytes.prefix(512 + 8)))
        #expect(entries.count == 1 && end == .missing)
    }

    @Test("errors name the archive, the entry and where its header lies")
    func message() {
        var tar = TarBuilder()
        tar.addFile("ok", "x")
        tar.add("bad\nname", content: [1], size: 1000)
        let error = failure(reading: tar.bytes)
        #expect(error?.code == .truncated)
        #expect(
            error?.message
                == "test.tar: entry 'bad\\u{a}name' (header at byte 1024): the archive ends 488 bytes before its "
                + "content does; copy the file again"
        )
    }

    @Test("a damaged header is found by its checksum, and the message says after which entry")
    func checksum() {
        var tar = TarBuilder()
        tar.addFile("first", "x")
        tar.addFile("second", "y")
        var bytes = tar.finish()
        bytes[1024] ^= 1
        let error = failure(reading: bytes)
        #expect(error?.code == .checksum)
        #expect(error?.message.contains("header at byte 1024 after the entry 'first'") == true)
    }

    @Test(
        "types of vendors, multi-volume parts and star's sparse files are refused by name",
        arguments: [
            ("A", "'A'"), ("E", "'E'"), ("N", "'N'"), ("9", "'9'"), ("M", "volume"), ("S", "star"),
        ]
    )
    func types(type: Character, word: String) {
        var tar = TarBuilder()
        tar.add("f", type: type)
        let error = failure(reading: tar.finish())
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("entry 'f'") == true)
        #expect(error?.message.contains(word) == true)
    }

    @Test("a device of a v7 header has no numbers and is refused")
    func v7Device() {
        var block = TarBuilder().header("null", "3", 0o644, 0, 0, 0, 0, "", (1, 3))
        block.replaceSubrange(257..<265, with: [UInt8](repeating: 0, count: 8))
        #expect(
            failure(reading: TarCorpus.withChecksum(block) + [UInt8](repeating: 0, count: 1024))?.code
                == .invalid
        )
    }

    @Test(
        "numbers out of range are errors",
        arguments: [
            ("uid", "4294967296"), ("gid", "-1"), ("gid", "99999999999999999999"), ("size", "-1"),
            ("size", "1e3"),
            ("size", "18446744073709551616"), ("mtime", "9223372036854775808"), ("mtime", "1.x"),
            ("mtime", "-"),
            ("SCHILY.devmajor", "4294967296"),
        ]
    )
    func numbers(key: String, value: String) {
        var tar = TarBuilder()
        tar.add("f", type: key.hasSuffix("major") ? "3" : "0", pax: [(key, Array(value.utf8))])
        #expect(failure(reading: tar.finish())?.code == .invalid)
    }

    @Test(
        "sizes beyond the limits are refused before anything is kept",
        arguments: [
            "9223372036854775807", "18446744073709551615", "17596481011713",
        ]
    )
    func hugeSizes(size: String) {
        var tar = TarBuilder()
        tar.add("f", pax: [("size", Array(size.utf8))])
        #expect(failure(reading: tar.finish())?.code == .limitExceeded)
        for type in ["x", "g", "L", "K"] as [Character] {
            var header = TarBuilder()
            header.add("f", type: type, size: 1 << 40)
            #expect(failure(reading: header.finish())?.code == .limitExceeded)
        }
    }

    @Test("header fields that are no numbers are errors", arguments: [100, 108, 116, 124, 136])
    func fields(offset: Int) {
        var block = TarBuilder().header("f", "0", 0o644, 0, 0, 0, 0, "", (0, 0))
        block.replaceSubrange(offset..<offset + 4, with: Array("12x4".utf8))
        let error = failure(reading: TarCorpus.withChecksum(block) + [UInt8](repeating: 0, count: 1024))
        #expect(error?.code == .invalid && error?.message.contains("entry 'f'") == true)
    }

    @Test(
        "negative or overlong base-256 numbers are errors where they make no sense",
        arguments: [100, 108, 116, 124]
    )
    func base256(offset: Int) {
        let width = offset == 124 ? 12 : 8
        var block = TarBuilder().header("f", "0", 0o644, 0, 0, 0, 0, "", (0, 0))
        block.replaceSubrange(offset..<offset + width, with: [UInt8](repeating: 0xFF, count: width))
        #expect(
            failure(reading: TarCorpus.withChecksum(block) + [UInt8](repeating: 0, count: 1024))?.code
                == .invalid
        )
        var long = TarBuilder().header("f", "0", 0o644, 0, 0, 0, 0, "", (0, 0))
        long.replaceSubrange(124..<136, with: [0x80, 1] + [UInt8](repeating: 0, count: 10))
        #expect(
            failure(reading: TarCorpus.withChecksum(long) + [UInt8](repeating: 0, count: 1024))?.code
                == .invalid
        )
    }

    @Test(
        "pax records that are not well formed are errors",
        arguments: [
            "", "x", "5", "4 a=\n", "6 abc\n", "7 =abc\n", "99 path=x\n", "10 path=xyz", "9 path=x\u{0}\n",
            "12345678901 path=x\n", "-9 path=x\n", "9 path=xy\n",
        ]
    )
    func records(text: String) {
        let body = Array(text.utf8)
        var tar = TarBuilder()
        tar.addRaw(
            TarBuilder().header("pax", "x", 0o644, 0, 0, 0, UInt64(body.count), "", (0, 0))
                + TarCorpus.padded(body)
        )
        tar.addFile("f", "x")
        if text.isEmpty {
            #expect(failure(reading: tar.finish()) == nil)
        } else {
            #expect(failure(reading: tar.finish())?.code == .invalid)
        }
    }

    @Test("xattrs beyond what Linux takes are refused")
    func xattrLimits() {
        let cases: [(name: String, value: [UInt8])] = [
            ("user.a", [UInt8](repeating: 1, count: 65537)), (String(repeating: "n", count: 256), [1]),
            ("", [1]),
        ]
        for (name, value) in cases {
            var tar = TarBuilder()
            tar.add("f", xattrs: [(name, value)])
            #expect(failure(reading: tar.finish()) != nil)
        }
        var tar = TarBuilder()
        tar.add("f", xattrs: (0..<17).map { ("user.\($0)", [UInt8](repeating: 1, count: 65000)) })
        #expect(failure(reading: tar.finish())?.code == .limitExceeded)
    }

    @Test("what names an entry twice, differently, or nothing at all, is an error")
    func ambiguity() {
        let raw: [[UInt8]] = [
            TarCorpus.gnuLong("L", [97]) + TarCorpus.pax("x", [("path", [98])]),
            TarCorpus.pax("x", [("path", [97])]) + TarCorpus.pax("x", [("path", [97])]),
            TarCorpus.gnuLong("L", []),
        ]
        for headers in raw {
            var tar = TarBuilder()
            tar.addRaw(headers)
            tar.addFile("f", "x")
            #expect(failure(reading: tar.finish())?.code == .invalid)
        }
        for (path, type, link) in [("", "0", ""), ("s", "2", ""), ("h", "1", "")]
            as [(String, Character, String)]
        {
            var tar = TarBuilder()
            tar.add(path, type: type, link: link)
            #expect(failure(reading: tar.finish())?.code == .invalid)
        }
        var slash = TarBuilder()
        slash.add("dir/", content: [1])
        #expect(failure(reading: slash.finish())?.code == .invalid)
    }

    @Test("an extended header without its entry is an error")
    func danglingHeader() {
        for header in [TarCorpus.gnuLong("L", [97]), TarCorpus.pax("x", [("uid", [49])])] {
            #expect(failure(reading: header)?.code == .truncated)
            #expect(failure(reading: header + [UInt8](repeating: 0, count: 1024))?.code == .invalid)
        }
    }

    @Test(
        "sparse maps must be in order, within the file, and as long as what is stored",
        arguments: [
            "0,4,2,4", "4,8", "0,2", "0,4,4", "0,,4", "a", "0,8,18446744073709551615,1",
        ]
    )
    func sparseMaps(map: String) {
        var tar = TarBuilder()
        tar.add(
            "f",
            content: [UInt8](repeating: 1, count: 8),
            pax: [
                ("GNU.sparse.size", Array("10".utf8)), ("GNU.sparse.map", Array(map.utf8)),
            ]
        )
        #expect(failure(reading: tar.finish())?.code == .invalid)
    }

    @Test(
        "sparse files in unknown or incomplete formats are refused",
        arguments: [
            [("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "1")],
            [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")], [("GNU.sparse.map", "0,0")],
            [("GNU.sparse.size", "8"), ("GNU.sparse.numblocks", "3"), ("GNU.sparse.map", "0,8")],
            [("GNU.sparse.size", "8"), ("GNU.sparse.numbytes", "8")], [("SCHILY.realsize", "4096")],
        ]
    )
    func sparseFormats(records: [(String, String)]) {
        var tar = TarBuilder()
        tar.add("f", content: [UInt8](repeating: 1, count: 8), pax: records.map { ($0.0, Array($0.1.utf8)) })
        #expect([.invalid, .unsupported].contains(failure(reading: tar.finish())?.code))
    }

    @Test("the number of entries can be limited")
    func entryLimit() {
        var limits = TarLimits()
        limits.entries = 2
        var tar = TarBuilder()
        for name in ["a", "b", "c"] { tar.addFile(name, "") }
        let error = failure(reading: tar.finish(), limits: limits)
        #expect(error?.code == .limitExceeded && error?.message.contains("'c'") == true)
    }

    @Test("an error repeats on every later call")
    func sticky() throws {
        let reader = TarReader(MemorySource(Array("no tar".utf8)), name: "n")
        for _ in 0..<2 { #expect(throws: ArchiveError.self) { try reader.next() } }
        #expect(throws: ArchiveError.self) { try reader.drain() }
    }
}
