/// Archives as the writers of container images make them, header for header, where these differ from GNU tar's.
///
/// After Go's `archive/tar` (writer.go, `writePAXHeader`, `writeRawFile`), which Docker, BuildKit, containerd, umoci
/// and buildah all write layers with.
public struct GoTarWriter {
    /// The archive so far, without end blocks.
    public private(set) var bytes: [UInt8] = []

    /// An empty archive.
    public init() {}

    /// Adds an entry. What ustar cannot hold, or not exactly, goes into a PAX header of sorted records first.
    public mutating func add(
        _ path: String,
        type: Character = "0",
        mode: UInt32 = 0o644,
        uid: UInt64 = 0,
        gid: UInt64 = 0,
        mtime: Int64 = 1_700_000_000,
        fraction: String = "",
        content: [UInt8] = [],
        link: String = "",
        device: (major: UInt32, minor: UInt32) = (0, 0),
        xattrs: [(name: String, value: [UInt8])] = []
    ) {
        var records = xattrs.map { (key: "SCHILY.xattr.\($0.name)", value: $0.value) }
        func needs(_ key: String, _ text: String) { records.append((key, Array(text.utf8))) }
        let isASCII = path.utf8.allSatisfy { $0 < 0x80 }
        if !isASCII || path.utf8.count > 100 { needs("path", path) }
        if link.utf8.count > 100 || link.utf8.contains(where: { $0 >= 0x80 }) { needs("linkpath", link) }
        if uid > 0o7777777 { needs("uid", "\(uid)") }
        if gid > 0o7777777 { needs("gid", "\(gid)") }
        if mtime < 0 || !fraction.isEmpty {
            needs("mtime", "\(mtime)\(fraction.isEmpty ? "" : ".")\(fraction)")
        }
        if !records.isEmpty {
            // writePAXHeader sorts the keys, and names the header after the entry: dir/PaxHeaders.0/base.
            records.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            let body = TarBuilder.paxRecords(records)
            let parts = path.split(separator: "/")
            let name = (parts.dropLast() + ["PaxHeaders.0"] + parts.suffix(1)).joined(separator: "/")
            // writeRawFile leaves the device fields blank; writeHeader below fills them with zeros.
            var block = TarBuilder().header(ascii(name), "x", 0, 0, 0, 0, UInt64(body.count), "", (0, 0))
            block.replaceSubrange(329..<345, with: [UInt8](repeating: 0, count: 16))
            bytes += TarCorpus.withChecksum(block) + TarCorpus.padded(body)
        }
        bytes += TarBuilder().header(
            ascii(path),
            type,
            mode,
            uid,
            gid,
            max(0, mtime),
            UInt64(content.count),
            ascii(link),
            device
        )
        bytes += TarCorpus.padded(content)
    }

    /// The archive with its two end blocks.
    public func finish() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    /// toASCII: other characters are left out of the ustar field.
    private func ascii(_ text: String) -> String {
        String(text.unicodeScalars.filter(\.isASCII).map(Character.init))
    }
}

extension TarCorpus {
    /// A layer as BuildKit and containerd write the difference of two snapshots: folders with a slash at the end,
    /// every parent named, whiteouts as empty files of mode 0, xattrs and fractions of seconds in PAX headers.
    public static func buildKitLayer() -> [UInt8] {
        var tar = GoTarWriter()
        tar.add("etc/", type: "5", mode: 0o755, fraction: "123456789")
        tar.add("etc/hostname", fraction: "5", content: Array("slipway\n".utf8))
        tar.add("etc/.wh.motd", mode: 0)
        tar.add("usr/", type: "5", mode: 0o755)
        tar.add("usr/bin/", type: "5", mode: 0o755)
        tar.add(
            "usr/bin/ping",
            mode: 0o4755,
            content: noise(70_000, seed: 9),
            xattrs: [
                ("user.note", []),
                ("security.capability", [1, 0, 0, 2, 0, 32] + [UInt8](repeating: 0, count: 14)),
            ]
        )
        tar.add("usr/bin/ping6", type: "1", mode: 0o4755, link: "usr/bin/ping")
        tar.add("usr/share/", type: "5", mode: 0o755)
        tar.add("usr/share/nöte", content: [1])
        tar.add(
            "usr/share/" + String(repeating: "long", count: 40),
            uid: 3_000_000_000,
            gid: 70_000,
            content: [2]
        )
        tar.add("usr/share/link", type: "2", mode: 0o777, link: String(repeating: "../target", count: 30))
        tar.add("var/", type: "5", mode: 0o755)
        tar.add("var/old/", type: "5", mode: 0o700, mtime: -2, fraction: "25")
        tar.add("var/old/.wh..wh..opq", mode: 0)
        return tar.finish()
    }

    /// A layer as umoci generates it: the same writer, but no folder that did not change is named.
    public static func umociLayer() -> [UInt8] {
        var tar = GoTarWriter()
        tar.add("tmp/deep/er/file", content: [1])
        tar.add("usr/.wh.gone", mode: 0)
        tar.add("dev/null", type: "3", mode: 0o666, device: (1, 3))
        return tar.finish()
    }

    /// Sparse files in the three forms of PAX, each with the empty segment at the end that GNU tar marks the size with.
    public static func paxSparse() -> [UInt8] {
        var tar = TarBuilder()
        // Every segment but the last fills its blocks: GNU tar would look for the next one at a block, others behind it.
        let data = noise(536, seed: 3)
        func records(_ pairs: [(String, String)]) -> [(key: String, value: [UInt8])] {
            pairs.map { ($0.0, Array($0.1.utf8)) }
        }
        tar.add(
            "v00",
            content: data,
            pax: records([
                ("GNU.sparse.size", "9000"), ("GNU.sparse.numblocks", "3"), ("GNU.sparse.offset", "1024"),
                ("GNU.sparse.numbytes", "512"), ("GNU.sparse.offset", "5120"), ("GNU.sparse.numbytes", "24"),
                ("GNU.sparse.offset", "9000"), ("GNU.sparse.numbytes", "0"),
            ])
        )
        tar.add(
            "./GNUSparseFile.1/v01",
            content: data,
            pax: records([
                ("GNU.sparse.size", "9000"), ("GNU.sparse.numblocks", "3"), ("GNU.sparse.name", "v01"),
                ("GNU.sparse.map", "1024,512,5120,24,9000,0"),
            ])
        )
        tar.add(
            "./GNUSparseFile.1/v10",
            content: padded(Array("3\n1024\n512\n5120\n24\n9000\n0\n".utf8)) + data,
            pax: records([
                ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "v10"),
                ("GNU.sparse.realsize", "9000"),
            ])
        )
        return tar.finish()
    }

    /// Headers as Version 7 wrote them: no magic, type NUL, a slash at the end of a folder's name.
    public static func v7() -> [UInt8] {
        var tar = TarBuilder()
        for (path, type, content, link) in [
            ("old/", "\0", [], ""), ("old/file", "\0", [1, 2, 3], ""), ("old/hard", "1", [], "old/file"),
            ("old/soft", "2", [], "file"),
        ] as [(String, Character, [UInt8], String)] {
            var block = TarBuilder().header(path, type, 0o777, 1, 2, 3, UInt64(content.count), link, (0, 0))
            block.replaceSubrange(257..<345, with: [UInt8](repeating: 0, count: 88))
            tar.addRaw(withChecksum(block) + padded(content))
        }
        return tar.finish()
    }

    /// Every keyword of PAX and its extensions that means something here, and some that mean nothing.
    public static func paxKeywords() -> [UInt8] {
        func text(_ value: String) -> [UInt8] { Array(value.utf8) }
        var tar = TarBuilder()
        tar.addRaw(
            pax("g", [("comment", text("a global one")), ("uid", text("5")), ("SCHILY.xattr.user.all", [1])])
        )
        tar.add("plain", content: [1])
        tar.add(
            "short",
            content: [1, 2, 3],
            pax: [
                ("atime", text("1.5")), ("charset", text("ISO-IR 10646 2000 UTF-8")),
                ("comment", text("a\nb")),
                ("ctime", text("2.5")), ("gid", text("4294967294")), ("gname", text("gröup")),
                ("hdrcharset", text("BINARY")), ("mtime", text("-1.000000001")), ("path", [0xFF, 10, 0xFE]),
                ("realtime.any", text("x")), ("security.any", text("y")), ("size", text("3")),
                ("uid", text("4294967295")), ("uname", text("üser")), ("VENDOR.key", text("z")),
                ("SCHILY.dev", text("2049")), ("SCHILY.ino", text("77")), ("SCHILY.nlink", text("1")),
                ("LIBARCHIVE.creationtime", text("3.5")), ("LIBARCHIVE.xattr.user.b%0Ac", text("AQI=")),
                ("SCHILY.xattr.user.empty", []), ("SCHILY.xattr.user.text", [10, 61, 0, 10]),
            ]
        )
        tar.add(
            "link",
            type: "2",
            link: "cut",
            pax: [("linkpath", text("somewhere/else")), ("size", text("0"))]
        )
        tar.add(
            "device",
            type: "3",
            pax: [("SCHILY.devmajor", text("259")), ("SCHILY.devminor", text("70000"))]
        )
        return tar.finish()
    }

    /// Every archive of the corpus by name.
    public static var all: [(name: String, bytes: [UInt8])] {
        [
            ("everything", everything()), ("buildkit", buildKitLayer()), ("umoci", umociLayer()),
            ("sparse", paxSparse()), ("v7", v7()), ("pax", paxKeywords()),
            ("empty", TarBuilder().finish()),
        ]
    }
}
