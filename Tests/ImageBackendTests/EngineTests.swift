import EROFS
import Glibc
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("mkfs.erofs as the writer of blobs", .serialized)
struct EngineTests {
    /// An mkfs.erofs that reads a tar: the one that the environment variable `MKFS_EROFS` names; without it, a stand-in
    /// that unpacks the tar and has the machine's mkfs.erofs 1.5, which reads none, write an image of the folder.
    private static func programs() throws -> StandIns {
        let programs = try StandIns()
        if let given = getenv("MKFS_EROFS") {
            let link = programs.folder.appending("mkfs.erofs").string
            #expect(symlink(given, link) == 0)
            return programs
        }
        try programs.add(
            "mkfs.erofs",
            version: "mkfs.erofs (erofs-utils) 1.8.10",
            """
            set -e
            for output; do true; done
            folder=$(mktemp -d)
            trap 'rm -rf "$folder"' EXIT
            chmod 755 "$folder"
            tar -xpf - -C "$folder" --numeric-owner --same-owner --xattrs --xattrs-include='*' --delay-directory-restore
            [ "$1" = --tar=f ]; [ "$2" = --quiet ]; [ "$3" = -b4096 ]; shift 3
            /usr/bin/mkfs.erofs "$@" "$folder" > /dev/null
            """
        )
        return programs
    }

    /// A layer with something of everything that an mkfs.erofs given the tar itself gets wrong or refuses.
    private static func oddLayer() -> [UInt8] {
        var tar = TarBuilder()
        tar.addFile("etc/motd", "hello")
        tar.addDirectory("opaque/", mode: 0o1777)
        tar.addFile("opaque/.wh..wh..opq", "")
        tar.addFile("opaque/.wh.gone", "")
        tar.addFile(".wh..wh..opq", "")
        tar.addFile(".wh..wh.plnk/x", "")
        tar.addHardLink("early", to: "late")
        tar.addFile("late", "linked", mode: 0o4755)
        tar.addSymbolicLink("lib", to: "usr/lib")
        tar.addDirectory("usr/lib/")
        tar.addFile("lib/through", "a link")
        tar.add("owned", uid: 3_000_000, gid: 70_000, mtime: -1, nanoseconds: 5, content: [1])
        tar.add("labelled", content: [2], xattrs: [("user.a", [0, 61]), ("security.x", [1])])
        tar.add("null", type: "3", device: (1, 3))
        tar.add("pipe", type: "6")
        tar.add("noise", content: LayerConverterTests.noise(300_000))
        return tar.finish()
    }

    @Test("the blob is another, and the guest sees the same")
    func sameTree() async throws {
        let programs = try Self.programs()
        let native = try TestBackend(compression: .none)
        let test = try TestBackend(
            guestKernel: .chunks,
            engine: .mkfs,
            check: .fsck,
            search: .process(with: programs)
        )
        let layer = Self.oddLayer()
        let ours = try await native.importing("web", layer)
        let theirs = try await test.importing("web", layer)
        #expect(ours.digest == theirs.digest && ours.layers.map(\.key) == theirs.layers.map(\.key))
        let key = try #require(theirs.layers.first?.key)
        let record = try #require(try await test.store.blob(key, leasedBy: nil))
        #expect(record.writer.hasPrefix("mkfs.erofs 1.") && record.hasOpaqueRoot)
        let path = FilePath(try #require(theirs.layers.first?.path))
        #expect(try ImageReader(file: File.regular(path)).superblock.uuid == key.imageUUID)
        let (mine, other) = (
            try await KernelMount.erofs(FilePath(try #require(ours.layers.first?.path))),
            try await KernelMount.erofs(path)
        )
        let expected = try TreeListing(mine.path)
        #expect(expected.entries.count == 16)
        #expect(try TreeListing(other.path).differences(from: expected) == [])
        #expect(try await test.store.verifyBlobs(examinations: [.structure]) == [])
    }

    @Test(
        "of two entries that meet through a link below, the later one counts",
        arguments: [["usr/lib/x", "lib/x"], ["lib/x", "usr/lib/x"]]
    )
    func meeting(paths: [String]) async throws {
        let programs = try Self.programs()
        let test = try TestBackend(
            compression: .none,
            guestKernel: .chunks,
            engine: .mkfs,
            search: .process(with: programs)
        )
        let layer = archive { tar in for path in paths { tar.addFile(path, path) } }
        let stack = try await LayerStackFixture([InheritanceTests.base, layer], in: test)
        #expect(try await stack.differences() == [])
    }

    @Test("the machine's mkfs.erofs 1.5 is refused with what to do, and nothing is read")
    func tooOld() async throws {
        let version = try await ErofsTool.find(.mkfs, in: .process).version
        try #require(version < ErofsUtilsVersion(1, 7), "this test is for a machine with an old mkfs.erofs")
        let test = try TestBackend(engine: .mkfs)
        let error = await #expect(throws: ImageError.self) {
            try await test.importing("web", Self.oddLayer())
        }
        #expect(error?.code == .unsupported && error?.isTransient == true)
        #expect(error?.message.contains("is version \(version), which cannot read a tar") == true)
        #expect(try await test.files() == [])
    }

    @Test(
        "whatever goes wrong with it, nothing is committed and nothing left",
        arguments: [
            ("echo '<E> erofs: no luck' >&2; exit 1", "failed (exited(1)): <E> erofs: no luck"),
            ("cat > /dev/null; exit 0", "No such file or directory"),
            ("for f; do true; done; cat > /dev/null; truncate -s 2T \"$f\"; exit 0", "no EROFS superblock"),
            ("for f; do true; done; truncate -s 2T \"$f\"; kill -9 $$", "failed (signaled(9))"),
        ]
    )
    func fails(script: String, message: String) async throws {
        let programs = try StandIns()
        try programs.add("mkfs.erofs", version: "mkfs.erofs (erofs-utils) 1.9.3", script)
        let test = try TestBackend(compression: .none, engine: .mkfs, search: .process(with: programs))
        let error = await #expect(throws: ImageError.self) {
            try await test.importing("web", Self.oddLayer())
        }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        #expect(try await test.files() == [])
        #expect(try Directory.names(in: test.backend.configuration.store.temp).isEmpty)
    }

    @Test("an image that lacks something is not taken")
    func incomplete() async throws {
        let programs = try StandIns()
        try programs.add(
            "mkfs.erofs",
            version: "mkfs.erofs (erofs-utils) 1.9.3",
            "for f; do true; done; cat > /dev/null; d=$(mktemp -d); /usr/bin/mkfs.erofs \"$f\" $d >/dev/null; rm -r $d"
        )
        let test = try TestBackend(compression: .none, engine: .mkfs, search: .process(with: programs))
        let error = await #expect(throws: ImageError.self) {
            try await test.importing("web", Self.oddLayer())
        }
        #expect(error?.code == .checkFailed && error?.message.contains("wrote 0 names") == true)
        #expect(try await test.files() == [])
    }

    @Test("a cancelled import ends the program")
    func cancelled() async throws {
        let programs = try StandIns()
        let pid = programs.folder.appending("pid")
        try programs.add(
            "mkfs.erofs",
            version: "mkfs.erofs (erofs-utils) 1.9.3",
            "echo $$ > \(pid); exec sleep 600"
        )
        let test = try TestBackend(compression: .none, engine: .mkfs, search: .process(with: programs))
        let layer = Self.oddLayer()
        let work = Task { try await test.importing("web", layer) }
        while try FileStatus.of(pid)?.size ?? 0 == 0 { try await Task.sleep(for: .milliseconds(10)) }
        let child = try #require(
            Int32(String(decoding: try AtomicFile.read(pid) ?? [], as: UTF8.self).dropLast())
        )
        work.cancel()
        let error = await #expect(throws: ImageError.self) { try await work.value }
        #expect(error?.code == .cancelled)
        #expect(kill(child, 0) == -1)
        #expect(try Directory.names(in: test.backend.configuration.store.temp).isEmpty)
    }
}

extension SearchPath {
    /// That of this process, behind programs of a test.
    static func process(with programs: StandIns) -> SearchPath {
        SearchPath(folders: [programs.folder.path] + SearchPath.process.folders)
    }
}
