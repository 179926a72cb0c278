import Archives
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Archive probe")
struct ArchiveProbeTests {
    private func probe(_ bytes: [UInt8]) throws -> ArchiveProbe.Kind {
        let folder = try TemporaryDirectory("archives")
        return try ArchiveProbe.probe(File.regular(folder.write(bytes, to: "file")))
    }

    @Test("tells tar archives, compressed or not, by their bytes")
    func tars() async throws {
        let folder = try TemporaryDirectory("archives")
        let path = try folder.write(TarCorpus.everything(), to: "x.jpg")
        #expect(try ArchiveProbe.probe(File.regular(path)) == .tar(.none))
        for (tool, compression) in [
            ("gzip", Compression.gzip), ("zstd", .zstd), ("xz", .xz), ("bzip2", .bzip2), ("lz4", .lz4),
        ] {
            try await check("sh", ["-c", "\(tool) -c < \(path) > \(folder.path)/out"])
            let file = try File.regular(folder.appending("out"))
            #expect(try ArchiveProbe.probe(file) == .tar(compression))
            #expect(try readAll(FileSource(file: file)).count > 1000, "the position stays at the beginning")
        }
    }

    @Test(
        "an archive of end blocks alone is one; a disk image that begins with zeros, text and nothing are not"
    )
    func others() throws {
        #expect(try probe([UInt8](repeating: 0, count: 10240)) == .tar(.none))
        #expect(try probe([UInt8](repeating: 0, count: 1024) + [1]) == .notATar(.none))
        #expect(try probe([UInt8](repeating: 0, count: 512)) == .notATar(.none))
        #expect(try probe(Array("<html>".utf8)) == .notATar(.none))
        #expect(try probe([]) == .empty)
    }

    @Test("a damaged beginning is an error that names the file")
    func damaged() async throws {
        let folder = try TemporaryDirectory("archives")
        let path = try folder.write([0x1F, 0x8B, 8, 0, 1, 2], to: "cut.gz")
        let error = #expect(throws: ArchiveError.self) { try ArchiveProbe.probe(File.regular(path)) }
        #expect(error?.code == .truncated && error?.message.hasPrefix(path.string) == true)
    }
}
