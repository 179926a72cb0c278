import Archives
import Host
import SystemPackage
import TestSupport
import Testing

/// The corpus that is made byte by byte, held against libarchive.
@Suite("Tar reader, the corpus")
struct TarCorpusTests {
    @Test("reads every archive as libarchive does", arguments: TarCorpus.all.map(\.name))
    func corpus(name: String) throws {
        let bytes = try #require(TarCorpus.all.first { $0.name == name }).bytes
        let (ours, end) = try read(bytes)
        var theirs = try readWithLibarchive(bytes).map(\.withTimeOnTheLine)
        if name == "pax" { theirs = theirs.map(Self.asPAXSays) }
        #expect(end == .blocks)
        #expect(ours.count == theirs.count)
        for (our, their) in zip(ours, theirs) { #expect(our == their) }
    }

    /// libarchive passes over all global headers; POSIX has them count for every entry.
    private static func asPAXSays(_ theirs: ReadEntry) -> ReadEntry {
        var entry = theirs
        entry.xattrs[Array("user.all".utf8)] = [1]
        if entry.userID == 0 { entry.userID = 5 }
        return entry
    }

    @Test("a name may hold every byte but NUL, in a ustar field, a GNU long name or a pax record")
    func everyByte() throws {
        var tar = TarBuilder()
        var names: [[UInt8]] = []
        for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") {
            names.append([byte, 120])
            var block = TarBuilder().header("?x", "0", 0o644, 0, 0, 0, 0, "", (0, 0))
            block[0] = byte
            tar.addRaw(TarCorpus.withChecksum(block))
            names.append([121, byte, 121])
            tar.add("in-pax", pax: [("path", [121, byte, 121])])
            names.append([122, byte])
            tar.addRaw(TarCorpus.gnuLong("L", [122, byte]))
            tar.addRaw(TarCorpus.gnu("in-gnu", "0", []))
        }
        let entries = try read(tar.finish()).entries
        #expect(entries.map(\.path) == names)
        #expect(entries.allSatisfy { $0.kind == "regular" })
    }

    @Test("sizes around the edge of a block, and 8 GiB and more in base-256, are taken to the byte")
    func sizes() throws {
        var tar = TarBuilder()
        let sizes = [0, 1, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097]
        for size in sizes { tar.add("\(size)", content: TarCorpus.noise(size, seed: UInt64(size + 1))) }
        let entries = try read(tar.finish(), chunk: 100).entries
        for (entry, size) in zip(entries, sizes) {
            #expect(entry.content == TarCorpus.noise(size, seed: UInt64(size + 1)))
        }
        for size in [0o77777777777, 0o77777777777 + 1, 1 << 40] as [UInt64] {
            var large = TarBuilder()
            large.add("large", size: size)
            let reader = TarReader(MemorySource(large.bytes), name: "x")
            #expect(try reader.next()?.size == size)
            let error = #expect(throws: ArchiveError.self) { try reader.next() }
            #expect(error?.code == .truncated)
        }
    }

    @Test(
        "a sparse file over 4 GiB keeps its size, its data and its holes",
        arguments: ["0.0", "0.1", "1.0", "gnu"]
    )
    func largeSparse(version: String) async throws {
        let folder = try TemporaryDirectory("sparse")
        let format = version == "gnu" ? ["--format=gnu"] : ["--format=posix", "--sparse-version=\(version)"]
        try await check(
            "sh",
            [
                "-c",
                "cd '\(folder.path)'; truncate -s 5G f; printf end | dd of=f bs=1 seek=4294967295 conv=notrunc",
            ]
        )
        try await check(
            "tar",
            ["-C", folder.path.string, "-S", "-cf", "\(folder.path)/s.tar"] + format + ["f"]
        )
        let reader = try TarReader(FileSource(file: File.regular(folder.appending("s.tar"))), name: "s.tar")
        let entry = try #require(try reader.next())
        #expect(entry.path == Array("f".utf8) && entry.size == 5 << 30 && entry.isSparse)
        var position: UInt64 = 0
        var found: UInt64?
        while let piece = try reader.nextPiece() {
            switch piece {
            case .hole(let count): position += count
            case .data(let data):
                if let index = data.firstIndex(of: UInt8(ascii: "e")) {
                    found = found ?? position + UInt64(index)
                }
                position += UInt64(data.count)
            }
        }
        #expect(position == 5 << 30 && found == 4_294_967_295)
    }

    @Test("bsdtar in every format", arguments: ["pax", "paxr", "ustar", "gnutar", "v7"])
    func bsdtar(format: String) async throws {
        let folder = try await Tree.make(
            for: ["v7", "ustar"].contains(format) ? "--format=\(format)" : "--format=posix"
        )
        try await check(
            "bsdtar",
            ["-C", "\(folder.path)/tree", "--format", format, "-cf", "\(folder.path)/out.tar", "."]
        )
        let bytes = try folder.bytes(of: "out.tar")
        let (ours, end) = try read(bytes)
        let theirs = try readWithLibarchive(bytes)
        #expect(end == .blocks)
        #expect(ours.count == theirs.count && ours.count >= 9)
        for (our, their) in zip(ours, theirs) where our != their { #expect(our == their.withTimeOnTheLine) }
    }

    @Test("an archive of many entries is read as it comes in")
    func many() throws {
        let reader = TarReader(ManyEntries(count: 50_000), name: "many")
        var count = 0
        while let entry = try reader.next() {
            #expect(entry.modifiedNanoseconds == 5 && entry.xattrs.count == 1)
            count += 1
        }
        #expect(count == 50_000)
    }
}

/// An archive made as it is read: a pax header, a header and a block of content for each entry.
private final class ManyEntries: ByteSource {
    private let entry: [UInt8]
    private let total: Int
    private var position = 0

    init(count: Int) {
        var tar = TarBuilder()
        tar.add("folder/file", nanoseconds: 5, content: [1], xattrs: [("user.x", [1, 2, 3])])
        entry = tar.bytes
        total = entry.count * count
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        let count = min(buffer.count, total - position, entry.count - position % entry.count)
        buffer.copyBytes(from: entry[position % entry.count..<position % entry.count + count])
        position += count
        return count
    }
}
