import Host
import SystemPackage
import TestSupport
import Testing

@Suite("A temporary file")
struct TemporaryFileTests {
    @Test("is swept once whoever made it is gone, and not before")
    func swept() throws {
        let folder = try TemporaryDirectory("temporary")
        do {
            let file = try TemporaryFile.create(beside: folder.appending("config.json"))
            #expect(try TemporaryFile.sweep(folder.path) == 0)
            #expect(try FileStatus.of(file.path) != nil)
        }
        #expect(try TemporaryFile.sweep(folder.path, of: "cow.raw") == 0)
        #expect(try TemporaryFile.sweep(folder.path, of: "config.json") == 1)
        #expect(try Directory.names(in: folder.path).isEmpty)
    }

    @Test("is told from other files: without the dot, without the ending, folders, links and sockets stay")
    func others() async throws {
        let folder = try TemporaryDirectory("temporary")
        for name in ["a.tmp", ".a", ".a.tmpx"] { try folder.write("kept", to: name) }
        try Directory.create(folder.appending(".folder.1.1.tmp"))
        try await check("ln", ["-s", "a.tmp", folder.appending(".link.1.1.tmp").string])
        try await check("mkfifo", [folder.appending(".fifo.1.1.tmp").string])
        #expect(try TemporaryFile.sweep(folder.path) == 0)
        #expect(try Directory.names(in: folder.path).count == 6)
    }

    @Test("is never taken away from its maker by a sweep at the same time")
    func race() async throws {
        let folder = try TemporaryDirectory("temporary")
        let (path, target) = (folder.path, folder.appending("file"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    for number in 0..<500 { try AtomicFile.write(Array("\(number)".utf8), to: target) }
                }
                group.addTask { for _ in 0..<500 { try TemporaryFile.sweep(path) } }
            }
            try await group.waitForAll()
        }
        #expect(try Directory.names(in: path).map(\.string) == ["file"])
    }
}
