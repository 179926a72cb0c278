import EROFS
import Host
import Logging
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

/// A folder of programs that stand in for those of erofs-utils where the real ones cannot be brought to do what a test
/// needs: to be of a certain version, or to find fault with a sound image.
struct StandIns {
    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("programs") }

    /// Where they lie, and nothing else.
    var search: SearchPath { SearchPath(folders: [folder.path]) }

    /// Writes a program that prints a version for `-V` and else runs a line of shell.
    func add(_ name: String, version: String, _ line: String = "exit 0") throws {
        let path = try folder.write(
            "#!/bin/sh\nif [ \"$1\" = -V ]; then echo '\(version)'; exit 0; fi\n\(line)\n",
            to: name
        )
        try File(path, .readOnly).setPermissions(FilePermissions(rawValue: 0o755))
    }
}

@Suite("The programs of erofs-utils")
struct ErofsUtilsTests {
    @Test(
        "tell their version in one of two ways",
        arguments: [
            ("mkfs.erofs 1.5\nusage: [options]", "1.5"),
            ("fsck.erofs (erofs-utils) 1.9.3\navailable", "1.9.3"),
            ("mkfs.erofs (erofs-utils) 1.8.10-g12ab", "1.8.10"),
        ]
    )
    func versions(printed: String, version: String) {
        #expect(ErofsUtilsVersion(printed: printed)?.description == version)
    }

    @Test("are ordered by number, not by text")
    func order() {
        #expect(ErofsUtilsVersion(1, 8, 10) > ErofsUtilsVersion(1, 8, 9))
        #expect(ErofsUtilsVersion(printed: "no version") == nil)
    }

    @Test(
        "are refused by version, with what to do",
        arguments: [
            ("1.5", "which cannot read a tar"), ("1.8.6", "which has errors"),
            ("1.8.7", "which its authors withdrew"),
            ("1.8.8", "which its authors withdrew"),
        ]
    )
    func refused(version: String, reason: String) async throws {
        let programs = try StandIns()
        try programs.add("mkfs.erofs", version: "mkfs.erofs (erofs-utils) \(version)")
        let error = await #expect(throws: ImageError.self) {
            try await ErofsTool.fit(.mkfs, for: .oldest, in: programs.search)
        }
        #expect(
            error?.message.contains("is version \(version), \(reason)") == true,
            "\(error?.message ?? "")"
        )
        #expect(error?.message.contains("set store.engine to native") == true)
    }

    @Test("are taken from 1.8.10 on", arguments: ["1.8.10", "1.9", "1.9.3", "2.0"])
    func taken(version: String) async throws {
        let programs = try StandIns()
        try programs.add("mkfs.erofs", version: "mkfs.erofs (erofs-utils) \(version)")
        #expect(
            try await ErofsTool.fit(.mkfs, for: .oldest, in: programs.search).version.description == version
        )
    }

    @Test("fsck.erofs has to know what the guests' kernel knows")
    func guestKernels() async throws {
        let programs = try StandIns()
        try programs.add("fsck.erofs", version: "fsck.erofs 1.5")
        _ = try await ErofsTool.fit(.fsck, for: GuestKernel(5, 17), in: programs.search)
        let error = await #expect(throws: ImageError.self) {
            try await ErofsTool.fit(.fsck, for: GuestKernel(6, 1), in: programs.search)
        }
        #expect(error?.message.contains("is version 1.5, which does not know that small files") == true)
        try programs.add("fsck.erofs", version: "fsck.erofs 1.6")
        _ = try await ErofsTool.fit(.fsck, for: GuestKernel(6, 12), in: programs.search)
    }

    @Test("are missed by name")
    func missing() async throws {
        let search = SearchPath(folders: [])
        let error = await #expect(throws: ImageError.self) {
            try await ErofsTool.fit(.fsck, for: .oldest, in: search)
        }
        #expect(error?.message == "fsck.erofs is not installed: install erofs-utils")
        #expect(error?.isTransient == true)
    }

    @Test(
        "the machine's fsck.erofs finds nothing wrong with a sound blob, and says what is wrong with a damaged one"
    )
    func fsck() async throws {
        let layer = try ConvertedLayer(tar(["a": String(repeating: "some text ", count: 20_000)]))
        let tool = try await ErofsTool.fit(.fsck, for: .oldest, in: .process)
        #expect(try await tool.complaint(about: layer.image) == nil)
        let file = try File(layer.image, .readWrite)
        try [UInt8](repeating: 0xFF, count: 64).withUnsafeBytes { try file.writeAll($0, at: 1024) }
        let complaint = try #require(try await tool.complaint(about: layer.image))
        #expect(
            complaint.contains("fsck.erofs \(tool.version)") && complaint.contains("superblock"),
            "\(complaint)"
        )
    }
}

@Suite("Checking new blobs before they are committed")
struct CheckBeforeCommitTests {
    let layer = tar(["etc/motd": "hello"])

    @Test("fsck.erofs of this machine passes what is converted")
    func passes() async throws {
        let test = try TestBackend(guestKernel: .chunks, check: .fsck)
        #expect(try await test.importing("web", layer).layers.count == 1)
    }

    @Test("a blob that does not pass is not kept, and the error says what fsck.erofs said")
    func fails() async throws {
        let programs = try StandIns()
        try programs.add("fsck.erofs", version: "fsck.erofs 1.5", "echo '<E> erofs: bogus inode' >&2; exit 1")
        let test = try TestBackend(guestKernel: .chunks, check: .fsck, search: programs.search)
        let error = await #expect(throws: ImageError.self) { try await test.importing("web", layer) }
        #expect(error?.code == .checkFailed && error?.isTransient == false)
        #expect(error?.message.contains("fsck.erofs 1.5 (exited(1)): <E> erofs: bogus inode") == true)
        #expect(try await test.files() == [])
        #expect(try Directory.names(in: test.backend.configuration.store.temp).isEmpty)
    }

    @Test("a layer that is there already is not looked at again")
    func hits() async throws {
        let folder = try TemporaryDirectory("hits")
        let first = try TestBackend(at: folder.appending("store"))
        try await first.importing("web", layer)
        let programs = try StandIns()
        try programs.add("fsck.erofs", version: "fsck.erofs 1.5", "exit 1")
        let second = try TestBackend(at: folder.appending("store"), check: .fsck, search: programs.search)
        #expect(try await second.importing("again", layer).layers.count == 1)
    }
}

@Suite("Looking at blobs beyond their digests")
struct BlobExaminationTests {
    @Test("a blob that is as it was written and no sound image is found by reading it, and by fsck.erofs")
    func unsound() async throws {
        let test = try TestBackend()
        try await test.importing("sound", tar(["a": "a"]))
        let examinations: [BlobExamination] = [
            .structure, .fsck(try await ErofsTool.fit(.fsck, for: .oldest, in: .process)),
        ]
        #expect(try await test.store.verifyBlobs(examinations: examinations) == [])

        let workspace = try await test.store.openWorkspace("test")
        let bytes = [UInt8](repeating: 7, count: 8192)
        let file = workspace.path.appending("bad.erofs")
        let output = try File(file, .readWrite, options: .create)
        try bytes.withUnsafeBytes { try output.writeAll($0) }
        let key = LayerKey(diffID: .sha256(of: Array("bad".utf8)))
        var record = try #require(
            try await test.store.blob(LayerKey(diffID: .sha256(of: tar(["a": "a"]))), leasedBy: nil)
        )
        record.key = key
        record.sha256 = .sha256(of: bytes)
        record.size = UInt64(bytes.count)
        _ = try await test.store.commitBlob(
            record,
            file: file,
            bootDirectory: nil,
            compressed: nil,
            in: workspace
        )
        for (examination, kind) in zip(examinations, [BlobProblem.Kind.structure, .fsck]) {
            let problems = try await test.store.verifyBlobs(examinations: [examination])
            #expect(problems.map(\.key) == [key] && problems.map(\.kind) == [kind])
        }
        #expect(try await test.store.verifyBlobs() == [])
        #expect(try await test.store.discardDamagedBlob(key) == false)
        #expect(try await test.store.discardDamagedBlob(key, examinations: examinations))
        await workspace.close()
    }

    @Test("a layer that inherits folders, links and places from those below it is a sound image")
    func variant() async throws {
        var base = TarBuilder()
        base.addDirectory("tmp/", mode: 0o1777)
        base.addDirectory("usr/lib/")
        base.addSymbolicLink("lib", to: "usr/lib")
        base.addFile("below", "linked from above")
        var top = TarBuilder()
        top.addFile("tmp/x", "x")
        top.addFile("lib/y", "moves")
        top.addHardLink("lib/z", to: "lib/y")
        top.addHardLink("above", to: "below")
        let test = try TestBackend()
        let image = try await test.importing("web", base.finish(), top.finish())
        #expect(image.layers[1].key.inheritance != nil)
        #expect(try await test.store.verifyBlobs(examinations: [.structure]) == [])
    }
}
