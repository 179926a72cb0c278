import EROFS
import Host
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("The rules of a layer")
struct LayerRulesTests {
    private func listing(_ build: (inout TarBuilder) -> Void) async throws -> [String: String] {
        var tar = TarBuilder()
        build(&tar)
        return try await ConvertedLayer(tar.finish()).listing().entries
    }

    private func failure(_ build: (inout TarBuilder) -> Void) throws -> ImageError {
        var tar = TarBuilder()
        build(&tar)
        return try #require(throws: ImageError.self) { try ConvertedLayer(tar.finish()) }
    }

    private static let origin = "trusted.overlay.origin="
    private static let opaque = "trusted.overlay.opaque=79"

    @Suite("for whiteouts")
    struct Whiteouts {
        private let rules = LayerRulesTests()

        @Test("make .wh.x a 0:0 character device x, in a folder that tells overlayfs to look for it")
        func whiteout() async throws {
            let entries = try await rules.listing {
                $0.addDirectory("etc")
                $0.addFile("etc/.wh.passwd", "")
            }
            #expect(entries["./etc/passwd"]?.hasPrefix("characterDevice 0 0:0") == true)
            #expect(entries["./etc"]?.contains(origin) == true)
            #expect(entries["./etc/.wh.passwd"] == nil)
        }

        @Test("make a folder with .wh..wh..opq opaque, wherever in the tar it stands")
        func opaqueFolder() async throws {
            for markerFirst in [true, false] {
                let entries = try await rules.listing {
                    if markerFirst { $0.addFile("etc/.wh..wh..opq", "") }
                    $0.addDirectory("etc", mode: 0o700)
                    $0.addFile("etc/new", "new")
                    if !markerFirst { $0.addFile("etc/.wh..wh..opq", "") }
                }
                #expect(entries["./etc"]?.contains(opaque) == true)
                #expect(entries["./etc"]?.hasPrefix("directory 700") == true)
                #expect(entries.keys.sorted() == [".", "./etc", "./etc/new"])
            }
        }

        @Test("record an opaque root, which overlayfs would not see")
        func opaqueRoot() throws {
            var tar = TarBuilder()
            tar.addFile(".wh..wh..opq", "")
            tar.addFile("x", "x")
            #expect(try ConvertedLayer(tar.finish()).result.hasOpaqueRoot)
        }

        @Test("drop what aufs kept for itself, with everything below it")
        func bookkeeping() async throws {
            let entries = try await rules.listing {
                $0.addDirectory(".wh..wh.plnk")
                $0.addFile(".wh..wh.plnk/1.2", "x")
                $0.addFile(".wh..wh.aufs", "")
                $0.addFile("x", "x")
            }
            #expect(entries.keys.sorted() == [".", "./x"])
        }

        @Test("let a real entry win, before or after, and make a folder that wins opaque")
        func realWins() async throws {
            for whiteoutFirst in [true, false] {
                let entries = try await rules.listing {
                    if whiteoutFirst {
                        $0.addFile(".wh.file", "")
                        $0.addFile(".wh.folder", "")
                    }
                    $0.addFile("file", "real")
                    $0.addDirectory("folder")
                    $0.addFile("folder/x", "x")
                    if !whiteoutFirst {
                        $0.addFile(".wh.file", "")
                        $0.addFile(".wh.folder", "")
                    }
                }
                #expect(entries["./file"]?.hasPrefix("regular") == true)
                #expect(entries["./folder"]?.contains(opaque) == true)
                #expect(entries["./folder/x"] != nil)
                #expect(entries["."]?.contains(origin) == false)
            }
        }

        @Test("make a folder opaque that only its entries bring back")
        func impliedFolderOverWhiteout() async throws {
            let entries = try await rules.listing {
                $0.addFile(".wh.etc", "")
                $0.addFile("etc/x", "x")
            }
            #expect(entries["./etc"]?.contains(opaque) == true)
        }

        @Test(
            "refuse a whiteout of nothing and anything below a whiteout",
            arguments: [".wh.", "a/.wh..", ".wh.a/b"]
        )
        func broken(path: String) throws {
            let error = try rules.failure { $0.addFile(path, "") }
            #expect(error.code == .invalidArchive)
            #expect(error.message.contains("'\(path)'"))
        }

        @Test("leave out 0:0 devices and overlayfs attributes that a tar brings, and say so")
        func foreign() throws {
            var tar = TarBuilder()
            tar.add("gone", type: "3", device: (0, 0))
            tar.add(
                "odd",
                content: [1],
                xattrs: [("trusted.overlay.opaque", [121]), ("user.overlay.x", [1])]
            )
            let layer = try ConvertedLayer(tar.finish())
            #expect(layer.result.summary.entries == 1)
            #expect(
                layer.result.warnings == [
                    "device 0:0 left out: gone", "extended attribute trusted.overlay.opaque left out: odd",
                    "extended attribute user.overlay.x left out: odd",
                ]
            )
        }
    }

    @Test("let a later entry replace an earlier one of its path")
    func laterWins() async throws {
        let entries = try await listing {
            $0.addFile("a", "first")
            $0.addFile("./a", "second, and longer")
            $0.addDirectory("d")
            $0.addFile("d/x", "x")
            $0.addFile("d", "a file now")
            $0.addFile("f", "f")
            $0.addDirectory("f")
            $0.addDirectory("m", mode: 0o700)
            $0.addFile("m/x", "x")
            $0.addDirectory("m", mode: 0o711)
        }
        #expect(entries["./a"]?.contains(" 18 ") == true)
        #expect(entries["./d"]?.hasPrefix("regular") == true)
        #expect(entries["./d/x"] == nil)
        #expect(entries["./f"]?.hasPrefix("directory") == true)
        #expect(entries["./f"]?.contains(Self.opaque) == true, "what lay below the file stays hidden")
        #expect(entries["./m"]?.hasPrefix("directory 711") == true)
        #expect(entries["./m/x"] != nil)
    }

    @Test("count what replaced entries leave behind")
    func deadBytes() throws {
        var tar = TarBuilder()
        tar.add("a", content: LayerConverterTests.noise(100_000))
        tar.addFile("a", "small")
        #expect(try ConvertedLayer(tar.finish()).result.summary.deadBytes >= 98_304)
    }

    @Test("make missing parents 0755 root and note that they are open")
    func implied() async throws {
        var tar = TarBuilder()
        tar.addFile("usr/local/bin/x", "x")
        tar.addDirectory("usr", mode: 0o700)
        let layer = try ConvertedLayer(tar.finish())
        let entries = try await layer.listing().entries
        #expect(entries["./usr/local"]?.hasPrefix("directory 755 0:0") == true)
        #expect(entries["./usr"]?.hasPrefix("directory 700") == true)
        let note = try ImageReader(file: File(layer.image, .readOnly)).note()
        let lines =
            "slipway layer 1\nearly /usr/local\nimplied /\nimplied /usr/local\nimplied /usr/local/bin\n"
        #expect(String(decoding: note, as: UTF8.self) == lines)
        #expect(layer.result.open?.places == 4)
    }

    @Test("resolve a hard link to a later entry, also through another link")
    func forwardLinks() async throws {
        let entries = try await listing {
            $0.addHardLink("first", to: "second")
            $0.addHardLink("second", to: "./third")
            $0.addFile("third", "content")
        }
        for name in ["./first", "./second", "./third"] {
            #expect(entries[name]?.contains("links 3 with ./first") == true)
        }
    }

    @Test("keep link counts right when a linked name is replaced")
    func replacedLink() async throws {
        let entries = try await listing {
            $0.addFile("a", "content")
            $0.addHardLink("b", to: "a")
            $0.addHardLink("c", to: "a")
            $0.addFile("b", "another")
        }
        #expect(entries["./a"]?.contains("links 2 with ./a") == true)
        #expect(entries["./c"]?.contains("links 2 with ./a") == true)
        #expect(entries["./b"]?.contains("links") == false)
    }

    @Test("refuse a hard link to what the layer itself hides, to a folder, or to itself alone")
    func brokenLinks() throws {
        let missing = try failure {
            $0.addFile(".wh.missing", "")
            $0.addHardLink("a", to: "missing")
        }
        #expect(missing.code == .invalidArchive)
        #expect(missing.message.contains("'a'") && missing.message.contains("'missing'"))
        let folder = try failure {
            $0.addDirectory("d")
            $0.addHardLink("a", to: "d")
        }
        #expect(folder.message.contains("'a'"))
        let itself = try failure { $0.addHardLink("a", to: "a") }
        #expect(itself.code == .invalidArchive)
    }

    @Test(
        "refuse a path with .., one through a file, and a name too long, naming the entry",
        arguments: [
            ("../x", "'..'"), ("a/../../x", "'..'"), ("file/x", "no folder"),
            (String(repeating: "n", count: 256), "255 bytes"),
        ]
    )
    func badPaths(path: String, reason: String) throws {
        let error = try failure {
            $0.addFile("file", "x")
            $0.addFile(path, "x")
        }
        #expect(error.code == .invalidArchive)
        #expect(error.message.contains(path) && error.message.contains(reason))
    }

    @Test("keep a path through a symbolic link inside the image")
    func throughLinks() async throws {
        let entries = try await listing {
            $0.addDirectory("usr/lib")
            $0.addSymbolicLink("lib", to: "usr/lib")
            $0.addSymbolicLink("escape", to: "../../../../etc")
            $0.addSymbolicLink("absolute", to: "/usr")
            $0.addFile("lib/libc.so", "c")
            $0.addFile("escape/passwd", "p")
            $0.addFile("absolute/share/x", "s")
            $0.addHardLink("copy", to: "lib/libc.so")
        }
        #expect(entries["./usr/lib/libc.so"] != nil)
        #expect(entries["./etc/passwd"] != nil)
        #expect(entries["./usr/share/x"] != nil)
        #expect(entries["./lib"]?.hasPrefix("symbolicLink") == true)
        #expect(entries["./copy"]?.contains("links 2") == true)
        let loop = try failure {
            $0.addSymbolicLink("a", to: "b")
            $0.addSymbolicLink("b", to: "a")
            $0.addFile("a/x", "x")
        }
        #expect(loop.message.contains("40 symbolic links"))
    }

    @Test("refuse what is cut off, empty, or no tar at all")
    func broken() throws {
        var tar = TarBuilder()
        tar.addFile("a", String(repeating: "x", count: 3000))
        let whole = tar.finish()
        for length in stride(from: 1, to: whole.count - 1024, by: 300) {
            let error = try #require(throws: ImageError.self) { try ConvertedLayer(Array(whole[..<length])) }
            #expect(error.code == .truncated || error.code == .notATar, "\(length): \(error)")
            #expect(error.message.contains("layer.tar"))
        }
        for (bytes, code) in [
            ([], ImageError.Code.notATar), (Array("<html>404</html>".utf8), .notATar),
            ([UInt8](repeating: 0xFF, count: 4096), .notATar),
        ] {
            let error = try #require(throws: ImageError.self) { try ConvertedLayer(bytes) }
            #expect(error.code == code, "\(error)")
        }
    }

    @Test("ask for the end blocks unless a digest vouches for the bytes")
    func endBlocks() throws {
        var tar = TarBuilder()
        tar.addFile("a", "x")
        let error = try #require(throws: ImageError.self) { try ConvertedLayer(tar.bytes) }
        #expect(error.code == .truncated)
        #expect(try ConvertedLayer(tar.bytes, isVouchedFor: true).result.summary.entries == 1)
    }

    @Test("stop at the limits of entries and bytes")
    func limits() throws {
        var tar = TarBuilder()
        for number in 0..<20 { tar.addFile("\(number)", "x") }
        let many = try #require(throws: ImageError.self) {
            try ConvertedLayer(tar.finish(), limits: LayerLimits(entries: 19))
        }
        #expect(many.code == .limitExceeded)
        let large = try #require(throws: ImageError.self) {
            try ConvertedLayer(tar.finish(), limits: LayerLimits(unpackedBytes: 4096))
        }
        #expect(large.code == .limitExceeded)
    }
}
