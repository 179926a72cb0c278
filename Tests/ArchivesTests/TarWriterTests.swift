import Archives
import SystemPackage
import TestSupport
import Testing

@Suite("Writing a tar")
struct TarWriterTests {
    /// An entry of every kind, with every field at its edges, and content.
    private static let entries: [(TarEntry, [UInt8])] = {
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 255)
        var entries: [(TarEntry, [UInt8])] = [
            (TarEntry(path: bytes("."), kind: .directory, permissions: 0o1777), []),
            (TarEntry(path: bytes("empty"), kind: .regular), []),
            (TarEntry(path: bytes("dir"), kind: .directory, permissions: 0o7755, userID: 1, groupID: 2), []),
            (
                TarEntry(path: bytes("dir/") + long, kind: .regular, size: 512),
                [UInt8](repeating: 1, count: 512)
            ),
            (
                TarEntry(path: [0xFF, 0x0A, 0x80], kind: .regular, size: 513),
                [UInt8](repeating: 2, count: 513)
            ),
            (TarEntry(path: bytes("grüße"), kind: .symbolicLink, linkTarget: bytes("../") + long + long), []),
            (TarEntry(path: bytes("hard"), kind: .hardLink, linkTarget: bytes("dir/") + long), []),
            (TarEntry(path: bytes("pipe"), kind: .fifo), []),
            (
                TarEntry(path: bytes("disk"), kind: .blockDevice, deviceMajor: 4095, deviceMinor: 1_048_575),
                []
            ),
            (TarEntry(path: bytes("gone"), kind: .characterDevice), []),
            (TarEntry(path: bytes("ids"), kind: .regular, userID: 0o7777777, groupID: 0o10000000), []),
            (TarEntry(path: bytes("large ids"), kind: .regular, userID: .max, groupID: .max - 1), []),
            (
                TarEntry(
                    path: bytes("attributes"),
                    kind: .regular,
                    xattrs: [
                        (bytes("user.a"), [0, 10, 61, 255]), (bytes("security.capability"), []),
                        (bytes("user.large"), [UInt8](repeating: 7, count: 65_535)),
                    ]
                ), []
            ),
        ]
        for (seconds, nanoseconds) in [(-1, 0), (-1, 1), (-2_208_988_800, 999_999_999), (1 << 34, 5), (0, 1)]
        {
            entries.append(
                (
                    TarEntry(
                        path: bytes("time \(seconds) \(nanoseconds)"),
                        kind: .regular,
                        modifiedSeconds: Int64(seconds),
                        modifiedNanoseconds: UInt32(nanoseconds)
                    ), []
                )
            )
        }
        return entries
    }()

    private static func archive() throws -> [UInt8] {
        var bytes: [UInt8] = []
        try withUnsafeMutablePointer(to: &bytes) { bytes in
            var tar = TarWriter { bytes.pointee += $0 }
            for (entry, content) in entries {
                try tar.begin(entry)
                // In two pieces, since pieces need not be blocks.
                try content.prefix(100).withUnsafeBytes { try tar.write($0) }
                try content.dropFirst(100).withUnsafeBytes { try tar.write($0) }
            }
            try tar.finish()
        }
        return bytes
    }

    @Test("every entry comes back as it was written, through our reader and through libarchive")
    func roundTrip() throws {
        let archive = try Self.archive()
        let (ours, end) = try read(archive)
        #expect(end == .blocks && archive.count % 512 == 0)
        #expect(ours.count == Self.entries.count)
        for (found, (entry, content)) in zip(ours, Self.entries) {
            #expect(
                found.path == entry.path && found.kind == "\(entry.kind)"
                    && found.linkTarget == entry.linkTarget
            )
            #expect(found.permissions == entry.permissions && found.content == content)
            #expect(found.userID == Int64(entry.userID) && found.groupID == Int64(entry.groupID))
            #expect(found.seconds == entry.modifiedSeconds && found.nanoseconds == entry.modifiedNanoseconds)
            for (name, value) in entry.xattrs { #expect(found.xattrs[name] == value) }
            let isDevice = entry.kind == .blockDevice || entry.kind == .characterDevice
            #expect(found.device == (isDevice ? [entry.deviceMajor, entry.deviceMinor] : []))
        }
        // libarchive loses the sign of a time within a second before 1970.
        let theirs = try readWithLibarchive(archive)
        for (ours, theirs) in zip(ours, theirs) where ours.path != Array("time -1 1".utf8) {
            #expect(theirs.withTimeOnTheLine == ours)
        }
        #expect(theirs.count == ours.count)
    }

    @Test("GNU tar lists it without complaint")
    func listed() async throws {
        let folder = try TemporaryDirectory("tar-writer")
        let path = try folder.write(Self.archive(), to: "a.tar")
        let result = try await run("tar", ["-tvf", path.string])
        #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
        #expect(result.output.split(separator: "\n").count == Self.entries.count)
    }

    @Test("content that is not as long as its entry says is an error")
    func wrongSize() throws {
        var tar = TarWriter { _ in }
        try tar.begin(TarEntry(path: [97], kind: .regular, size: 3))
        #expect(throws: ArchiveError.self) { try [1, 2, 3, 4].withUnsafeBytes { try tar.write($0) } }
        #expect(throws: ArchiveError.self) { try tar.finish() }
    }

    @Test("an extended attribute that a pax record cannot name is refused")
    func unnameable() throws {
        var tar = TarWriter { _ in }
        let entry = TarEntry(path: [97], kind: .regular, xattrs: [(Array("user.a=b".utf8), [])])
        #expect(throws: ArchiveError.self) { try tar.begin(entry) }
    }
}
