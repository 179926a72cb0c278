import Host
import SystemPackage
import TestSupport
import Testing

@Suite("A folder's fingerprint")
struct FolderFingerprintTests {
    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("fingerprint") }

    // MARK: Of files

    private func files() throws -> FolderFingerprint {
        var fingerprint = FolderFingerprint()
        try fingerprint.add(folder.path, enteringNamesEndingIn: ".image")
        return fingerprint
    }

    @Test("is the same as long as nothing changes")
    func unchanged() throws {
        try folder.write("a", to: "a")
        try folder.write("b", to: "b.image/layer")
        #expect(try files() == files())
    }

    @Test("shows each change of a file, in the folder and in those that are entered")
    func changes() throws {
        try folder.write("a", to: "a")
        try folder.write("b", to: "b.image/blobs/layer")
        try folder.write("c", to: "c/ignored")
        var last = try files()
        func expectChange(_ what: String, _ change: () throws -> Void) throws {
            try change()
            let now = try files()
            #expect(now != last, "\(what)")
            last = now
        }
        try expectChange("written in place") { try folder.write("longer", to: "a") }
        try expectChange("a new name") { try folder.write("d", to: "d") }
        try expectChange("renamed") { try Directory.rename(folder.appending("d"), to: folder.appending("e")) }
        try expectChange("removed") { try Directory.unlink(folder.appending("e")) }
        try expectChange("written inside") { try folder.write("longer", to: "b.image/blobs/layer") }
        try expectChange("a new name inside") { try folder.write("n", to: "b.image/new") }
        try folder.write("C", to: "c/ignored")
        #expect(try files() == last, "a folder that is not entered")
    }

    @Test("is not to be had of a folder that is not there")
    func missing() {
        var fingerprint = FolderFingerprint()
        #expect(throws: FileError.self) { try fingerprint.add(folder.appending("no")) }
    }

    // MARK: Of folders with disks

    private func machines() throws -> FolderFingerprint {
        var fingerprint = FolderFingerprint()
        try fingerprint.addFolders(in: folder.path, files: ["config.json", "slipway.erofs"], disk: "cow.raw")
        return fingerprint
    }

    @Test("shows a config that was edited, a disk's size and its lock, but not that a guest writes")
    func disks() throws {
        try folder.write("{}", to: "web-1/config.json")
        try folder.write("disk", to: "web-1/cow.raw")
        try folder.write("{}", to: "no-disk/config.json")
        var last = try machines()
        func expect(_ differs: Bool, _ what: String, _ change: () throws -> Void) throws {
            try change()
            let now = try machines()
            #expect((now != last) == differs, "\(what)")
            last = now
        }
        let disk = try File(folder.appending("web-1/cow.raw"), .readWrite)
        try expect(false, "a guest writes") {
            try Array("DISK".utf8).withUnsafeBytes { try disk.writeAll($0) }
        }
        try expect(true, "a hypervisor starts") { _ = try disk.tryLock() }
        try expect(true, "a hypervisor ends") { try disk.unlock() }
        try expect(true, "a hypervisor shares the disk") { _ = try disk.tryLock(exclusive: false) }
        try disk.unlock()
        last = try machines()
        try expect(true, "the disk grows") { try disk.truncate(to: 4096) }
        try expect(true, "the config is edited in place") { try folder.write("{ }", to: "web-1/config.json") }
        try expect(true, "another file comes") { try folder.write("e", to: "web-1/slipway.erofs") }
        try expect(true, "and is edited") { try folder.write("f", to: "web-1/slipway.erofs") }
        try expect(true, "and goes") { try Directory.unlink(folder.appending("web-1/slipway.erofs")) }
        try expect(true, "the config goes") { try Directory.unlink(folder.appending("web-1/config.json")) }
        try expect(true, "the disk goes") { try Directory.unlink(folder.appending("web-1/cow.raw")) }
        try expect(true, "a VM comes") { try Directory.create(folder.appending("web-2")) }
        try expect(false, "a hidden folder comes") {
            try Directory.create(folder.appending(".retired/web-3"))
        }
    }

    @Test("shows the size and the lock of further disks, and that one is not there")
    func furtherDisks() throws {
        try folder.write("data", to: "web/data-pg.raw")
        func look() throws -> FolderFingerprint {
            var fingerprint = FolderFingerprint()
            try fingerprint.addDisks(["web/data-pg.raw", "web/data-log.raw"], in: folder.path)
            return fingerprint
        }
        let first = try look()
        #expect(try look() == first)
        try folder.write("more data", to: "web/data-pg.raw")
        let second = try look()
        #expect(second != first)
        try folder.write("log", to: "web/data-log.raw")
        #expect(try look() != second)
    }
}
