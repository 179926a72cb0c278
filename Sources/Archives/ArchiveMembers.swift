import Host
import OCI

/// Where the members of an uncompressed tar file lie, by name: an index of offsets, nothing unpacked.
struct ArchiveMembers {
    /// A file or link in the archive.
    struct Member {
        var kind: TarEntry.Kind
        var linkTarget: String
        /// Where in the file its content begins.
        var offset: UInt64
        /// Bytes of content.
        var size: UInt64
        var isSparse: Bool
    }

    /// More members than any archive of images has; a root file system has them soon.
    static let limit = 20_000

    let file: File
    let name: String
    private(set) var members: [String: Member] = [:]
    private(set) var repeated: Set<String> = []
    /// Whether the first member that tells is of an archive of images.
    private(set) var beginsLikeImages = false

    /// Reads all headers of the archive, seeking over content; nil when it has more members than ``limit``.
    init?(_ file: File, name: String) throws(ArchiveError) {
        self.file = file
        self.name = name
        let reader = TarReader(FileRangeSource(file: file), name: name)
        var count = 0
        var isTold = false
        while let entry = try reader.next() {
            count += 1
            if !isTold, let answer = Self.isOfImages(entry.path) {
                isTold = true
                beginsLikeImages = answer
            }
            if count > Self.limit {
                guard beginsLikeImages else { return nil }
                throw ArchiveError(
                    .limitExceeded,
                    "\(name): an archive of images with more than \(Self.limit) members"
                )
            }
            guard entry.kind != .directory, let path = Self.normalized(entry.path, in: []) else { continue }
            let member = Member(
                kind: entry.kind,
                linkTarget: String(decoding: entry.linkTarget, as: UTF8.self),
                offset: reader.offset,
                size: entry.size,
                isSparse: entry.isSparse
            )
            if members.updateValue(member, forKey: path) != nil { repeated.insert(path) }
        }
    }

    /// Whether a member's name is one that only archives of images have, or one that they never have; nil for names
    /// that a root file system may have as well.
    static func isOfImages(_ path: [UInt8]) -> Bool? {
        let parts = path.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
            .filter { $0 != "." }
        switch parts.first {
        case nil, "index.json", "manifest.json", "repositories": return nil
        case "oci-layout": return true
        case "blobs": return parts.count == 1 ? nil : parts[1] == "sha256"
        // Folders and files named after an ID: `ID/layer.tar`, `ID.json`, `ID.tar`, `sha256:ID`.
        case .some(let name): return DockerManifest.digest(inName: name) != nil
        }
    }

    /// The regular file that a name stands for, through links inside the archive; nil when there is none.
    func file(_ path: String) throws(ArchiveError) -> Member? {
        guard var current = Self.normalized(Array(path.utf8), in: []) else { return nil }
        // Docker links a layer to the same layer of another image, which may be a link itself.
        for _ in 0..<16 {
            guard let member = members[current] else { return nil }
            let target: String?
            switch member.kind {
            case .regular:
                guard !member.isSparse else {
                    throw ArchiveError(
                        .unsupported,
                        "\(name): '\(printable(path.utf8))' is stored sparse; write the archive anew without --sparse"
                    )
                }
                return member
            case .symbolicLink:
                target = Self.normalized(
                    Array(member.linkTarget.utf8),
                    in: current.split(separator: "/").dropLast()
                )
            case .hardLink: target = Self.normalized(Array(member.linkTarget.utf8), in: [])
            default: target = nil
            }
            guard let target else { return nil }
            current = target
        }
        throw ArchiveError(.invalid, "\(name): '\(printable(path.utf8))' is a link that leads nowhere")
    }

    /// A small file's bytes.
    func read(_ path: String, limit: Int) throws(ArchiveError) -> [UInt8]? {
        guard let member = try file(path) else { return nil }
        guard member.size <= UInt64(limit) else {
            throw ArchiveError(
                .limitExceeded,
                "\(name): '\(printable(path.utf8))' has \(member.size) bytes; \(limit) are allowed"
            )
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, Int(member.size)),
            alignment: 16
        )
        defer { buffer.deallocate() }
        let source = FileRangeSource(file: file, offset: member.offset, length: member.size)
        var count = 0
        while count < Int(member.size) {
            let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
            guard read > 0 else {
                throw ArchiveError(.truncated, "\(name): '\(printable(path.utf8))' ends early")
            }
            count += read
        }
        return Array(buffer.prefix(count))
    }

    /// Where an OCI layout keeps a blob (image-spec, image-layout.md).
    static func blobPath(_ digest: Digest) -> String { "blobs/sha256/\(digest.hex)" }

    /// A blob's bytes, verified.
    func readBlob(_ digest: Digest, limit: Int) throws(ArchiveError) -> [UInt8]? {
        guard let bytes = try read(Self.blobPath(digest), limit: limit) else { return nil }
        guard Digest.sha256(of: bytes) == digest else {
            throw ArchiveError(
                .checksum,
                "\(name): '\(Self.blobPath(digest))' has another digest; save the image again"
            )
        }
        return bytes
    }

    /// A name without `.`, empty parts and leading slashes, relative to a folder; nil when it leads out of the archive
    /// or is no text.
    private static func normalized(_ path: [UInt8], in folder: some Sequence<Substring>) -> String? {
        guard let text = String(validating: path, as: UTF8.self) else { return nil }
        var parts = text.hasPrefix("/") ? [] : Array(folder)
        for part in text.split(separator: "/") where part != "." {
            guard part == ".." else {
                parts.append(part)
                continue
            }
            guard parts.popLast() != nil else { return nil }
        }
        return parts.isEmpty ? nil : parts.joined(separator: "/")
    }
}
