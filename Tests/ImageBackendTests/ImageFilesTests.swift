import EROFS
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Looking into the files of an image")
struct ImageFilesTests {
    /// Three layers that add, replace, hide and link.
    private static func backend() async throws -> TestBackend {
        var base = TarBuilder()
        base.addDirectory("./", mode: 0o755)
        base.addDirectory("etc/", mode: 0o755)
        base.addFile("etc/passwd", "root")
        base.addFile("etc/hosts", "127.0.0.1")
        base.addDirectory("old/")
        base.addFile("old/file", "below")
        base.addDirectory("usr/lib/")
        base.addSymbolicLink("lib", to: "/usr/lib")
        base.addFile("usr/lib/a", "in usr")
        base.add("null", type: "3", device: (1, 3))
        var middle = TarBuilder()
        middle.addDirectory("etc/", mode: 0o750)
        middle.addFile("etc/.wh.passwd", "")
        middle.addFile("etc/motd", "hello", mode: 0o4755)
        middle.addDirectory("old/")
        middle.addFile("old/.wh..wh..opq", "")
        middle.addFile("old/new", "above")
        middle.addSymbolicLink("loop", to: "loop")
        middle.addSymbolicLink("escape", to: "../../../etc/motd")
        var top = TarBuilder()
        top.addFile("hosts-were-here", "")
        top.addFile("etc/.wh.hosts", "")
        let test = try TestBackend()
        try await test.importing("web", base.finish(), middle.finish(), top.finish())
        return test
    }

    private static func paths(
        _ files: ImageFiles,
        _ path: String = "/",
        recursively: Bool = true
    ) throws -> [String] {
        var paths: [String] = []
        try files.list(Array(path.utf8), recursively: recursively) { item in
            paths.append(item.path.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/"))
        }
        return paths
    }

    private static func content(_ files: ImageFiles, _ path: String) throws -> String {
        var bytes: [UInt8] = []
        try files.read(Array(path.utf8)) { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("shows what a guest sees: whiteouts and opaque folders hide, upper layers replace")
    func merged() async throws {
        let test = try await Self.backend()
        defer { withExtendedLifetime(test) {} }
        let files = try await test.backend.files(of: "web")
        #expect(
            try Self.paths(files) == [
                "escape", "etc", "etc/motd", "hosts-were-here", "lib", "loop", "null", "old", "old/new",
                "usr", "usr/lib",
                "usr/lib/a",
            ]
        )
        #expect(try Self.paths(files, "/etc", recursively: false) == ["etc/motd"])
        var motd: ImageFiles.Item?
        try files.list(Array("etc/motd".utf8), recursively: false) { motd = $0 }
        #expect(motd?.permissions == 0o4755 && motd?.size == 5 && motd?.layer == 1 && motd?.kind == .regular)
    }

    @Test("is what the kernel shows of the same layers")
    func kernel() async throws {
        let test = try await Self.backend()
        let image = try #require(try await test.backend.inspect("web"))
        let mounts = try await image.layers.reversed().asyncMap {
            try await KernelMount.erofs(FilePath($0.path))
        }
        let overlay = try KernelMount.overlay(lower: mounts.map(\.path))
        let listed = try await check("find", [overlay.path.string, "-mindepth", "1", "-printf", "%P\n"])
        let files = try await test.backend.files(of: "web")
        #expect(try Self.paths(files).sorted() == listed.split(separator: "\n").map(String.init).sorted())
    }

    @Test("shows one layer as it is, named by position, digest or part of one")
    func single() async throws {
        let test = try await Self.backend()
        let image = try #require(try await test.backend.inspect("web"))
        let diffID = image.layers[1].diffID
        for name in ["1", "\(diffID)", diffID.hex, String(diffID.hex.prefix(12))] {
            let files = try await test.backend.files(of: "web", layer: name)
            #expect(
                try Self.paths(files) == [
                    "escape", "etc", "etc/motd", "etc/passwd", "loop", "old", "old/new",
                ]
            )
        }
        for name in ["3", "abc", String(repeating: "0", count: 64)] {
            let error = await #expect(throws: ImageError.self) {
                try await test.backend.files(of: "web", layer: name)
            }
            #expect(error?.code == .notFound)
        }
    }

    @Test("prints a file, through links that stay inside the image")
    func reads() async throws {
        let test = try await Self.backend()
        defer { withExtendedLifetime(test) {} }
        let files = try await test.backend.files(of: "web")
        for path in ["etc/motd", "/etc/motd", "./etc//motd", "/old/../etc/motd", "/../etc/motd", "escape"] {
            #expect(try Self.content(files, path) == "hello", "\(path)")
        }
        #expect(try Self.content(files, "lib/a") == "in usr")
    }

    @Test(
        "says why it prints nothing",
        arguments: [
            ("etc/passwd", "is not in the image"), ("none", "is not in the image"),
            ("etc", "is no regular file"),
            ("null", "is no regular file"), ("etc/motd/x", "leads through something that is no folder"),
            ("loop", "goes through more than 40 symbolic links"), ("old/file", "is not in the image"),
        ]
    )
    func refuses(path: String, reason: String) async throws {
        let test = try await Self.backend()
        defer { withExtendedLifetime(test) {} }
        let files = try await test.backend.files(of: "web")
        let error = #expect(throws: ImageError.self) { try files.read(Array(path.utf8)) { _ in } }
        #expect(error?.message == "'\(path)' \(reason)")
    }
}

extension Sequence {
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async throws -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
