import Archives
import SystemPackage
import TestSupport
import Testing

@Suite("A member of an archive of images")
struct LayoutMemberTests {
    @Test(
        "has a header of one block that every reader takes, whatever its size",
        arguments: [0, 1, 512, 0o77777777777, 0o100000000000, 20 << 30, 16 << 40]
    )
    func header(size: UInt64) async throws {
        let path = "blobs/sha256/" + String(repeating: "a", count: 64)
        let header = LayoutMember.header(path, size: size)
        #expect(header.count == LayoutMember.headerSize)
        let reader = TarReader(MemorySource(header), name: "archive")
        let entry = try #require(try reader.next())
        #expect(entry.path == Array(path.utf8) && entry.size == size && entry.kind == .regular)
        #expect(entry.permissions == 0o644 && entry.modifiedSeconds == 0 && entry.userID == 0)
        let folder = try TemporaryDirectory("header")
        let file = try folder.write(header, to: "header")
        let seen = try await check(
            "python3",
            [
                "-c",
                "import sys,tarfile; h=tarfile.TarInfo.frombuf(open(sys.argv[1],'rb').read(),'utf-8','strict'); print(h.name,h.size)",
                file.string,
            ]
        )
        #expect(seen == "\(path) \(size)\n")
        #expect(LayoutMember.space(size) == 512 + (size + 511) / 512 * 512)
    }
}
