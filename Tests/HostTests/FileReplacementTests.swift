import Host
import SystemPackage
import TestSupport
import Testing

@Suite("A file that is replaced at one stroke")
struct FileReplacementTests {
    private func write(_ text: String, to file: File) throws {
        try Array(text.utf8).withUnsafeBytes { try file.writeAll($0) }
    }

    @Test("shows its old content until it is committed, then the new")
    func replaces() throws {
        let folder = try TemporaryDirectory("replace")
        let path = try folder.write("old", to: "file")
        let replacement = try FileReplacement(path)
        try write("new", to: replacement.file)
        #expect(try folder.bytes(of: "file") == Array("old".utf8))
        try replacement.synchronize()
        try replacement.commit()
        #expect(try folder.bytes(of: "file") == Array("new".utf8))
        #expect(try Directory.names(in: folder.path).count == 1)
    }

    @Test("leaves nothing where it is not committed")
    func abandoned() throws {
        let folder = try TemporaryDirectory("replace")
        do {
            let replacement = try FileReplacement(folder.appending("file"))
            try write("half", to: replacement.file)
            #expect(try Directory.names(in: folder.path).count == 1)
        }
        #expect(try Directory.names(in: folder.path).isEmpty)
    }

    @Test("is not made in the place of a folder, nor in a folder that is not there")
    func refusals() throws {
        let folder = try TemporaryDirectory("replace")
        #expect(throws: FileError.self) { try FileReplacement(folder.path) }
        #expect(throws: FileError.self) { try FileReplacement(folder.appending("no/file")) }
    }
}
