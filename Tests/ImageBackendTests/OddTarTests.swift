import EROFS
import Host
import TestSupport
import Testing

@testable import ImageBackend

/// What becomes of the tars that converters trip over: each row of the list is one that mkfs.erofs, an unpacker or a
/// registry is known to get wrong.
@Suite("An odd tar")
struct OddTarTests {
    private func listing(_ tar: [UInt8]) async throws -> [String: String] {
        try await ConvertedLayer(tar).listing().entries
    }

    @Test("of sparse files in any form of PAX has them whole, as GNU tar unpacks them")
    func sparse() async throws {
        let tar = TarCorpus.paxSparse()
        let seen = try await ConvertedLayer(tar).listing(without: .folderTimes)
        let expected = try await unpacked(tar, without: .folderTimes)
        #expect(seen.entries.keys.sorted() == [".", "./v00", "./v01", "./v10"])
        for name in ["./v00", "./v01", "./v10"] { #expect(seen.entries[name] == expected.entries[name]) }
    }

    @Test("of Version 7, its files of type NUL, is unpacked like any other")
    func version7() async throws {
        let tar = TarCorpus.v7()
        let seen = try await ConvertedLayer(tar).listing(without: .folderTimes)
        let expected = try await unpacked(tar, without: .folderTimes)
        #expect(seen.entries.count == 5)
        // The root, which the archive does not name, is the unpacking folder's there.
        for (name, line) in expected.entries where name != "." { #expect(seen.entries[name] == line) }
    }

    @Test("by BuildKit's and containerd's writer has its whiteouts, xattrs, links and times")
    func buildKit() async throws {
        let entries = try await listing(TarCorpus.buildKitLayer())
        #expect(entries["./etc"]?.contains("trusted.overlay.origin=") == true)
        #expect(entries["./etc/motd"]?.hasPrefix("characterDevice 0 0:0") == true)
        #expect(entries["./usr/bin/ping"]?.contains("security.capability=1,0,0,2,0,20,0") == true)
        #expect(entries["./usr/bin/ping"]?.contains("user.note=") == true)
        #expect(entries["./usr/bin/ping"]?.hasPrefix("regular 4755") == true)
        #expect(entries["./usr/bin/ping6"]?.contains("links 2 with ./usr/bin/ping") == true)
        #expect(entries["./usr/share/nöte"]?.hasPrefix("regular 644") == true)
        #expect(
            entries["./usr/share/" + String(repeating: "long", count: 40)]?.contains("3000000000:70000")
                == true
        )
        #expect(entries["./usr/share/link"]?.hasSuffix(String(repeating: "../target", count: 30)) == true)
        #expect(entries["./var/old"]?.contains("trusted.overlay.opaque=79") == true)
        #expect(entries.count == 14)
    }

    @Test("with absolute, doubled and dotted paths stays inside and means the plain ones")
    func spellings() async throws {
        var tar = TarBuilder()
        tar.addFile("/abs", "1")
        tar.addFile("//double//x", "2")
        tar.addFile("./dot/./y", "3")
        tar.addHardLink("link1", to: "/abs")
        tar.addHardLink("link2", to: ".//double/x")
        let entries = try await listing(tar.finish())
        #expect(entries["./link1"]?.contains("links 2 with ./abs") == true)
        #expect(entries["./link2"]?.contains("links 2 with ./double/x") == true)
        #expect(entries.keys.sorted().count == 8)
    }

    @Test("with a hard link to a symbolic link has one inode of two names")
    func linkToSymbolicLink() async throws {
        var tar = TarBuilder()
        tar.addSymbolicLink("soft", to: "nowhere")
        tar.addHardLink("hard", to: "soft")
        let entries = try await listing(tar.finish())
        #expect(entries["./hard"]?.contains("-> nowhere links 2") == true)
    }

    @Test("keeps a linked file's attributes, whatever the entries of its other names say")
    func linkAttributes() async throws {
        var tar = TarBuilder()
        tar.add("a", mode: 0o600, uid: 5, content: [1], xattrs: [("user.first", [1])])
        tar.add("b", type: "1", mode: 0o777, uid: 9, mtime: 1, link: "a", xattrs: [("user.second", [2])])
        let entries = try await listing(tar.finish())
        for name in ["./a", "./b"] {
            #expect(entries[name]?.hasPrefix("regular 600 5:0") == true)
            #expect(entries[name]?.contains("user.first=1") == true)
            #expect(entries[name]?.contains("user.second") == false)
        }
    }

    @Test("that names a path twice shows the last entry; folders merge; a real entry outlives a whiteout")
    func twice() async throws {
        let kinds = ["file", "folder", "symlink", "hardlink", "fifo", "device", "whiteout"]
        var tar = TarBuilder()
        tar.addFile("target", "t")
        for first in kinds {
            for second in kinds {
                for kind in [first, second] { add(kind, "\(first)-\(second)", to: &tar) }
            }
        }
        let entries = try await listing(tar.finish())
        for first in kinds {
            for second in kinds {
                let winner = second == "whiteout" ? first : second
                let line = entries["./\(first)-\(second)"] ?? "nothing"
                #expect(line.hasPrefix(Self.beginnings[winner] ?? "?"), "\(first), then \(second): \(line)")
                if winner == "hardlink" {
                    #expect(line.contains("with ./"), "\(first), then \(second): \(line)")
                }
            }
        }
        // 49 names, the root, the target, and two entries in the folder that is there twice.
        #expect(entries["./folder-folder/inside"] != nil)
    }

    private static let beginnings = [
        "file": "regular 640", "folder": "directory", "symlink": "symbolicLink", "hardlink": "regular 644",
        "fifo": "fifo", "device": "characterDevice 600", "whiteout": "characterDevice 0 0:0",
    ]

    private func add(_ kind: String, _ path: String, to tar: inout TarBuilder) {
        switch kind {
        case "file": tar.addFile(path, kind, mode: 0o640)
        case "folder":
            tar.addDirectory(path)
            tar.addFile("\(path)/inside", "x")
        case "symlink": tar.addSymbolicLink(path, to: "target")
        case "hardlink": tar.addHardLink(path, to: "target")
        case "fifo": tar.add(path, type: "6")
        case "device": tar.add(path, type: "3", mode: 0o600, device: (1, 3))
        default: tar.addFile(".wh.\(path)", "")
        }
    }

    @Test("cut at any byte is refused as cut off, or as no tar where nothing is left of it")
    func truncated() throws {
        var tar = TarBuilder()
        tar.add("a", content: [1, 2, 3], xattrs: [("user.x", [1])])
        tar.addSymbolicLink("b", to: "a")
        let whole = tar.finish()
        let content = tar.bytes.count
        let edges = stride(from: 0, through: content, by: 512).flatMap { [$0 - 1, $0, $0 + 1, $0 + 148] }
        for length in Set(edges).sorted() where (1...content + 512).contains(length) {
            let error = try #require(throws: ImageError.self) { try ConvertedLayer(Array(whole[..<length])) }
            #expect([.truncated, .notATar].contains(error.code), "\(length): \(error)")
            #expect(error.message.contains("layer.tar"))
        }
        #expect(try ConvertedLayer(whole).result.summary.entries == 2)
        #expect(try ConvertedLayer(whole + Array("more".utf8)).result.summary.entries == 2)
    }

    @Test("with an xattr of 65,535 bytes keeps it; one byte more is refused by name")
    func largeXattr() async throws {
        let value = TarCorpus.noise(65_535)
        var tar = TarBuilder()
        tar.add("big", content: [1], xattrs: [("user.big", value)])
        let line = try await listing(tar.finish())["./big"]
        #expect(
            line?.hasSuffix("user.big=" + value.map { String($0, radix: 16) }.joined(separator: ",")) == true
        )
        var over = TarBuilder()
        over.add("larger", content: [1], xattrs: [("user.big", value + [1])])
        let error = try #require(throws: ImageError.self) { try ConvertedLayer(over.finish()) }
        #expect(error.code == .invalidArchive || error.code == .limitExceeded)
        #expect(error.message.contains("larger") && error.message.contains("user.big"), "\(error)")
    }

    @Test("that is small and claims to be huge is refused at the limit of what a layer may unpack to")
    func sparseBomb() throws {
        var tar = TarBuilder()
        for number in 0..<2 {
            tar.add(
                "bomb\(number)",
                content: [1],
                pax: [
                    ("GNU.sparse.size", Array("600000000000".utf8)), ("GNU.sparse.map", Array("0,1".utf8)),
                    ("GNU.sparse.name", Array("bomb\(number)".utf8)),
                ]
            )
        }
        let error = try #require(throws: ImageError.self) {
            try ConvertedLayer(tar.finish(), compression: .none, limits: LayerLimits(unpackedBytes: 1 << 40))
        }
        #expect(error.code == .limitExceeded)
        #expect(error.message.contains("bomb1"), "\(error)")
    }
}
