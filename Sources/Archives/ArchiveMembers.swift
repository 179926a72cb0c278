import Host
import OCI
import SystemPackage

/// Where the members of an archive of images lie, by name: an index of offsets, nothing unpacked.
struct ArchiveMembers {
    /// What holds the members.
    enum Home {
        /// A tar file.
        case tar(File)
        /// A stream, whose documents were kept as they passed: by offset.
        case passed(documents: [UInt64: [UInt8]])
        /// A folder.
        case folder(FilePath)
    }

    /// A file or link in the archive.
    struct Member {
        var kind: TarEntry.Kind
        var linkTarget: String
        /// Where in the tar its content begins.
        var offset: UInt64
        /// Bytes of content.
        var size: UInt64
        var isSparse: Bool
    }

    /// Bytes of all documents that are kept of an archive.
    static let documentsLimit = 64 << 20

    private(set) var home: Home
    let name: String
    let limits: ArchiveLimits
    private(set) var members: [String: Member] = [:]
    private(set) var repeated: Set<String> = []
    /// Whether the first member that tells is of an archive of images.
    private(set) var beginsLikeImages = false

    /// Reads all headers of the archive, seeking over content; nil when it has more members than an archive of images may
    /// have, and does not begin like one: a root file system has them soon.
    init?(
        _ file: File,
        name: String,
        limits: ArchiveLimits,
        cancellation: Cancellation? = nil
    ) throws(ArchiveError) {
        home = .tar(file)
        self.name = name
        self.limits = limits
        let reader = TarReader(FileRangeSource(file: file, cancellation: cancellation), name: name)
        var isTold = false
        var count = 0
        while let entry = try reader.next() {
            count += 1
            if !isTold, let answer = Self.isOfImages(entry.path) {
                isTold = true
                beginsLikeImages = answer
            }
            if count > limits.members {
                guard beginsLikeImages else { return nil }
                throw tooManyMembers(entry)
            }
            note(entry, at: reader.offset)
        }
    }

    /// Knows nothing yet of an archive of images that is going to pass.
    init(passing name: String, limits: ArchiveLimits) {
        home = .passed(documents: [:])
        self.name = name
        self.limits = limits
        beginsLikeImages = true
    }

    /// Lists an OCI layout that is a folder. Symbolic links in it lead nowhere.
    init(folder: FilePath, limits: ArchiveLimits) throws(ArchiveError) {
        name = folder.string
        self.limits = limits
        home = .folder(folder)
        beginsLikeImages = true
        for file in ["oci-layout", "index.json"] { try note(file, in: folder) }
        for part in ["blobs", "blobs/sha256"] {
            do {
                guard try FileStatus.of(folder.pushing(FilePath(part)))?.kind == .directory else { return }
            } catch { throw ArchiveError(error) }
        }
        let names: [FilePath.Component]
        do { names = try Directory.names(in: folder.pushing("blobs/sha256")) } catch {
            throw ArchiveError(error)
        }
        guard names.count <= limits.members else {
            throw ArchiveError(.limitExceeded, "\(name)/blobs/sha256: \(tooManyMembers)")
        }
        for blob in names { try note("blobs/sha256/\(blob)", in: folder) }
    }

    /// Bytes of a name, or of a link's target, that a member is noted under: no writer's are nearly as long, and the names of
    /// all members are kept in memory.
    private static let nameLimit = 1024

    private mutating func note(_ entry: TarEntry, at offset: UInt64) {
        guard entry.kind != .directory, entry.path.count <= Self.nameLimit,
            entry.linkTarget.count <= Self.nameLimit, let path = Self.normalized(entry.path, in: [])
        else { return }
        let member = Member(
            kind: entry.kind,
            linkTarget: String(decoding: entry.linkTarget, as: UTF8.self),
            offset: offset,
            size: entry.size,
            isSparse: entry.isSparse
        )
        if members.updateValue(member, forKey: path) != nil { repeated.insert(path) }
    }

    private mutating func note(_ path: String, in folder: FilePath) throws(ArchiveError) {
        let status: FileStatus?
        do { status = try FileStatus.of(folder.pushing(FilePath(path))) } catch { throw ArchiveError(error) }
        guard let status, status.kind == .regular else { return }
        members[path] = Member(kind: .regular, linkTarget: "", offset: 0, size: status.size, isSparse: false)
    }

    /// Notes a member of a stream.
    mutating func note(passing entry: TarEntry, at offset: UInt64) { note(entry, at: offset) }

    /// Keeps the content of a member of a stream, which may be a document.
    mutating func keep(_ document: [UInt8], at offset: UInt64) {
        guard case .passed(var documents) = home else { return }
        home = .passed(documents: [:])
        documents[offset] = document
        home = .passed(documents: documents)
    }

    private var tooManyMembers: String {
        "an archive of images with more than \(limits.members) members (store.limits.archiveMembers)"
    }

    /// The error of a member too many.
    func tooManyMembers(_ entry: TarEntry) -> ArchiveError {
        TarFailure(.limitExceeded, tooManyMembers).located(name, path: entry.path, offset: entry.offset)
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
        let source = try documentSource(member, path)
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

    private func documentSource(_ member: Member, _ path: String) throws(ArchiveError) -> any ByteSource {
        switch home {
        case .tar(let file): return FileRangeSource(file: file, offset: member.offset, length: member.size)
        case .passed(let documents):
            guard let bytes = documents[member.offset] else {
                throw ArchiveError(
                    .invalid,
                    "\(name): '\(printable(path.utf8))' is no JSON document; save the image again"
                )
            }
            return MemorySource(bytes)
        case .folder(let folder):
            do { return FileRangeSource(file: try File.regular(folder.pushing(FilePath(path)))) } catch {
                throw ArchiveError(error)
            }
        }
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
    static func normalized(_ path: [UInt8], in folder: some Sequence<Substring>) -> String? {
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
