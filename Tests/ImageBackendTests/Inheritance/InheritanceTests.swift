import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("A layer over others")
struct InheritanceTests {
    /// A base with folders of every kind.
    static let base = archive { tar in
        tar.addDirectory("./", mode: 0o711, uid: 7, gid: 8, mtime: 1_500_000_000)
        tar.addDirectory("tmp", mode: 0o1777, mtime: 1_500_000_001)
        tar.addDirectory(
            "usr",
            mode: 0o750,
            gid: 5,
            mtime: 1_500_000_002,
            xattrs: [("user.note", [1, 2, 3])]
        )
        tar.addDirectory("usr/lib", mode: 0o2775, uid: 9, gid: 50)
        tar.addFile("usr/lib/libc.so", "libc")
        tar.addDirectory("usr/lib/deep", mode: 0o700)
        tar.addSymbolicLink("lib", to: "usr/lib")
        tar.addSymbolicLink("absolute", to: "/usr/lib")
        tar.addSymbolicLink("up", to: "../../usr/../usr/lib")
        tar.addSymbolicLink("chain", to: "chain2")
        tar.addSymbolicLink("chain2", to: "usr/../lib")
        tar.addSymbolicLink("dangling", to: "nowhere/at/all")
        tar.addSymbolicLink("loop", to: "loop2")
        tar.addSymbolicLink("loop2", to: "loop")
        tar.addDirectory("etc")
        tar.add("etc/passwd", mode: 0o640, uid: 3, content: Array("root".utf8), xattrs: [("user.x", [9])])
        tar.addFile("etc/group", "wheel")
        tar.addSymbolicLink("etc/link", to: "passwd")
        tar.addFile("file", "in the way")
    }

    @Test(
        "shows what an unpacker makes of them",
        arguments: [
            Corner("folders it only implies keep mode, owner, times and attributes") {
                $0.addFile("tmp/x", "x")
                $0.addFile("usr/x", "x")
                $0.addFile("usr/lib/deep/x", "x")
            },
            Corner("a folder that is nowhere below is 0755 root") { $0.addFile("new/deep/x", "x") },
            Corner("an implied parent that is a symbolic link below") {
                $0.addFile("lib/x", "x")
                $0.addFile("lib/deep/y", "y")
                $0.addFile("lib/new/z", "z")
            },
            Corner("a link with an absolute target") { $0.addFile("absolute/x", "x") },
            Corner("a link with .. in its target") { $0.addFile("up/x", "x") },
            Corner("a chain of links") { $0.addFile("chain/x", "x") },
            Corner("a dangling link") { $0.addFile("dangling/x", "x") },
            Corner("an explicit folder over a link") {
                $0.addDirectory("lib", mode: 0o700)
                $0.addFile("lib/x", "x")
            },
            Corner("a folder over a link that is described after its first entries") {
                $0.addFile("lib/early", "through the link")
                $0.addFile("lib/deep/early", "through the link")
                $0.addDirectory("lib/own", mode: 0o711)
                $0.addDirectory("lib", mode: 0o700)
                $0.addFile("lib/late", "in the folder")
                $0.addDirectory("usr", mode: 0o701)
            },
            Corner("an explicit folder below an implied link") {
                $0.addDirectory("lib/deep", mode: 0o711)
                $0.addDirectory("lib/fresh", mode: 0o711)
            },
            Corner("a whiteout below an implied link") { $0.addFile("lib/.wh.libc.so", "") },
            Corner("an opaque marker below an implied link") {
                $0.addFile("lib/.wh..wh..opq", "")
                $0.addFile("lib/only", "x")
            },
            Corner("a whiteout in a folder it does not have") { $0.addFile("etc/.wh.passwd", "") },
            Corner("a whiteout in a folder that is nowhere") {
                $0.addFile("nowhere/.wh.x", "")
                $0.addFile("nowhere/deep/.wh..wh..opq", "")
            },
            Corner("a whiteout of nothing in a folder below") { $0.addFile("etc/.wh.nothing", "") },
            Corner("a whiteout below a file, which hides nothing") { $0.addFile("file/.wh.x", "") },
            Corner("an opaque folder that it does not describe") {
                $0.addFile("usr/lib/.wh..wh..opq", "")
                $0.addFile("usr/lib/new", "x")
            },
            Corner("folders that were implied before one above them became opaque") {
                $0.addFile("usr/lib/deep/x", "x")
                $0.addFile("usr/.wh..wh..opq", "")
                $0.addFile("usr/lib/new/x", "x")
            },
            Corner("folders that were implied before one above them was whited out") {
                $0.addFile("usr/lib/deep/x", "x")
                $0.addFile(".wh.usr", "")
            },
            Corner("a folder that comes back after its whiteout") {
                $0.addFile(".wh.usr", "")
                $0.addFile("usr/x", "x")
            },
            Corner("a folder that is whited out after its entries") {
                $0.addFile("usr/x", "x")
                $0.addFile(".wh.usr", "")
            },
            Corner("a link that is whited out after its entries") {
                $0.addFile("lib/x", "x")
                $0.addFile(".wh.lib", "")
            },
            Corner("a link below to a folder that the layer whites out") {
                $0.addFile(".wh.usr", "")
                $0.addFile("lib/x", "x")
            },
            Corner("two entries that land at one place, the later one from the link") {
                $0.addFile("usr/lib/x", "first")
                $0.addFile("lib/x", "second")
            },
            Corner("two entries that land at one place, the later one at the target") {
                $0.addFile("lib/x", "first")
                $0.addFile("usr/lib/x", "second")
            },
            Corner("folders that land at one place") {
                $0.addDirectory("lib/deep", mode: 0o701)
                $0.addFile("lib/deep/a", "a")
                $0.addDirectory("usr/lib/deep", mode: 0o702)
                $0.addFile("usr/lib/deep/b", "b")
            },
            Corner("a link of its own to a folder below") {
                $0.addSymbolicLink("own", to: "usr/lib")
                $0.addFile("own/x", "x")
            },
            Corner("a link of its own to a link below") {
                $0.addSymbolicLink("own", to: "lib")
                $0.addFile("own/x", "x")
            },
            Corner("a hard link to something below", links: .links) {
                $0.addHardLink("etc/copy", to: "etc/passwd")
                $0.addHardLink("etc/copy2", to: "./etc/passwd")
                $0.addHardLink("etc/symlink-copy", to: "etc/link")
            },
            Corner("a hard link to something below whose name goes through a link", links: .links) {
                $0.addHardLink("lib/copy", to: "lib/libc.so")
            },
            Corner("a hard link to something below that goes away later", links: .links) {
                $0.addHardLink("etc/shadow", to: "etc/passwd")
                $0.addFile("etc/.wh.passwd", "")
            },
            Corner("a hard link to what is below rather than to a later entry", links: .links) {
                $0.addHardLink("etc/old", to: "etc/passwd")
                $0.addFile("etc/passwd", "new")
            },
            Corner("a hard link through a link below to a file of its own") {
                $0.addFile("usr/lib/own", "own")
                $0.addHardLink("lib/own2", to: "lib/own")
            },
            Corner("nothing but a root") { $0.addDirectory("./", mode: 0o700) },
            Corner("names with every kind of byte") { $0.addFile("usr/lib/ü %25\n/x", "x") },
        ]
    )
    func corner(_ corner: Corner) async throws {
        let stack = try await LayerStackFixture([Self.base, corner.layer])
        // A layer without entries has no disk, and its root none to show.
        let lines = try await stack.differences(ignoring: corner.links)
        #expect(lines.filter { corner.name != "nothing but a root" || !$0.contains(" . ") } == [])
    }

    @Test(
        "is refused, with the place, where an unpacker refuses it too",
        arguments: [
            Corner("file in the way: file") { $0.addFile("file/x", "x") },
            Corner("file in the way of a link: file") {
                $0.addFile("file/deep/x", "x")
            },
            Corner("a loop: loop") { $0.addFile("loop/x", "x") },
            Corner("a hard link to itself: a") { $0.addHardLink("a", to: "a") },
            Corner("a hard link to nothing: missing") { $0.addHardLink("etc/a", to: "etc/missing") },
            Corner("a hard link to a folder: usr/lib") { $0.addHardLink("a", to: "usr/lib") },
        ]
    )
    func refused(_ corner: Corner) async throws {
        let error = await #expect(throws: ImageError.self) {
            try await LayerStackFixture([Self.base, corner.layer])
        }
        #expect(error?.code == .invalidArchive)
        let place = corner.name.split(separator: ": ")[1]
        #expect(error?.message.contains(place) == true, "\(String(describing: error))")
        await #expect(throws: CommandFailure.self) { try await Unpacked(layers: [Self.base, corner.layer]) }
    }

    @Test("lets the root and the attributes of /tmp through four layers")
    func deepStack() async throws {
        let stack = try await LayerStackFixture([
            Self.base, archive { $0.addFile("tmp/1", "1") }, archive { $0.addFile("lib/2", "2") },
            archive {
                $0.addDirectory("tmp", mode: 0o700)
                $0.addFile(".wh.lib", "")
            }, archive { $0.addFile("tmp/3", "3") }, archive { $0.addFile("lib/4", "4") },
        ])
        #expect(try await stack.differences() == [])
    }

    @Test("has its diffID for a key where it inherits nothing, and else what it inherits in it")
    func keys() async throws {
        let explicit = archive {
            $0.addDirectory("./")
            $0.addDirectory("opt")
            $0.addFile("opt/x", "x")
        }
        let implicit = archive { $0.addFile("tmp/x", "x") }
        let other = archive {
            $0.addDirectory("tmp", mode: 0o1777)
            $0.addFile("other", "base")
        }
        let test = try TestBackend()
        let alone = try await LayerStackFixture([implicit], in: test, name: "alone")
        #expect(alone.image.layers.map(\.key.inheritance) == [nil])
        let over = try await LayerStackFixture([Self.base, explicit, implicit], in: test, name: "over")
        #expect(over.image.layers.map { $0.key.inheritance == nil } == [true, true, false])
        let again = try await LayerStackFixture([Self.base, implicit], in: test, name: "again")
        #expect(again.image.layers[1].key.diffID == over.image.layers[2].key.diffID)
        let another = try await LayerStackFixture([other, implicit], in: test, name: "another")
        #expect(another.image.layers[1].key != again.image.layers[1].key)
        for stack in [alone, over, again, another] { #expect(try await stack.differences() == []) }
    }
}

/// A layer over the base, and what is particular about it.
struct Corner: Sendable, CustomTestStringConvertible {
    let name: String
    let layer: [UInt8]
    let links: LinkComparison
    var testDescription: String { name }

    init(_ name: String, links: LinkComparison = .none, _ build: (inout TarBuilder) -> Void) {
        self.name = name
        self.links = links
        layer = archive(build)
    }
}
