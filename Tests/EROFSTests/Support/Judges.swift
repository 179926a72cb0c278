import CShims
import EROFS
import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

/// Has an image judged by our reader: every path, attribute and byte of the model, and nothing else.
func expectReader(_ image: Image, holds model: Model, sourceLocation: SourceLocation = #_sourceLocation)
    throws
{
    let expected = model.expected()
    let counts = expected.counts()
    let reader = try image.reader()
    var nids: [Int: UInt64] = [:]
    var seen = 0
    var stack: [([[UInt8]], UInt64)] = [([], reader.root)]
    while let (path, nid) = stack.popLast() {
        seen += 1
        let inode = try reader.inode(nid)
        guard let want = expected[path] else {
            Issue.record("\(text(path)) is too much", sourceLocation: sourceLocation)
            continue
        }
        let found = Attributes(
            permissions: inode.permissions,
            userID: inode.userID,
            groupID: inode.groupID,
            modified: inode.modified,
            xattrs: sorted(try reader.xattrs(of: inode))
        )
        var attributes = want.attributes
        attributes.xattrs = want.xattrs
        #expect(
            inode.kind == want.kind && found == attributes,
            "\(text(path))",
            sourceLocation: sourceLocation
        )
        #expect(UInt64(inode.links) == counts.links[path], "\(text(path))", sourceLocation: sourceLocation)
        if want.group >= 0 {
            #expect(nids[want.group, default: nid] == nid, "\(text(path))", sourceLocation: sourceLocation)
            nids[want.group] = nid
        }
        switch want.thing {
        case .directory:
            let entries = try reader.entries(of: inode)
            let names = entries.map(\.name)
            #expect(zip(names, names.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
            for entry in entries { stack.append((path + [entry.name], entry.nid)) }
        case .symbolicLink(let target): #expect(try reader.target(of: inode) == target)
        case .device(_, let major, let minor): #expect(inode.device == (major, minor))
        case .file(let pieces):
            #expect(inode.size == want.size, "\(text(path))", sourceLocation: sourceLocation)
            var comparison = ContentComparison(pieces)
            try reader.forEachChunk(of: inode) { comparison.take($0) }
            #expect(comparison.isSame, "\(text(path)) differs", sourceLocation: sourceLocation)
        default: break
        }
    }
    #expect(seen == expected.count, sourceLocation: sourceLocation)
}

/// Has an image judged by the kernel: mounted from the file itself, or through a loop device.
func expectKernel(
    _ image: Image,
    holds model: Model,
    loop: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    try await withMount(image, loop: loop) { mount in
        try expectMount(mount, holds: model, sourceLocation: sourceLocation)
    }
}

/// Has a mounted image judged by what the kernel shows: every path, attribute and byte of the model.
func expectMount(_ mount: FilePath, holds model: Model, sourceLocation: SourceLocation = #_sourceLocation)
    throws
{
    let expected = model.expected()
    let counts = expected.counts()
    for (path, want) in expected {
        let full =
            path.reduce(Array(mount.string.utf8)) { $0 + [UInt8(ascii: "/")] + $1 }.map(
                CChar.init(bitPattern:)
            ) + [0]
        var status = stat()
        guard lstat(full, &status) == 0 else {
            Issue.record("\(text(path)): errno \(errno)", sourceLocation: sourceLocation)
            continue
        }
        let label = Comment(rawValue: text(path))
        #expect(
            status.st_mode == UInt32(modeBits(want.kind)) | UInt32(want.attributes.permissions),
            label
        )
        #expect(
            status.st_uid == want.attributes.userID && status.st_gid == want.attributes.groupID,
            label
        )
        #expect(status.st_mtim.tv_sec == Int(want.attributes.modified.seconds), label)
        #expect(status.st_mtim.tv_nsec == Int(want.attributes.modified.nanoseconds), label)
        #expect(UInt64(status.st_nlink) == counts.links[path], label)
        #expect(xattrs(full) == want.xattrs, label)
        switch want.thing {
        case .directory:
            let names = try Directory.names(in: FilePath(platformString: full))
            #expect(names.count == counts.entries[path, default: 0], label)
        case .symbolicLink(let target):
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = readlink(full, &buffer, buffer.count)
            #expect(Array(buffer.prefix(max(0, count))) == target, label)
        case .device(_, let major, let minor): #expect(status.st_rdev == makedev(major, minor), label)
        case .file(let pieces):
            #expect(UInt64(status.st_size) == want.size, label)
            var comparison = ContentComparison(pieces)
            let file = try File(FilePath(platformString: full), .readOnly)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
            defer { buffer.deallocate() }
            while case let count = try file.read(into: buffer), count > 0 {
                comparison.take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
            #expect(comparison.isSame, "\(text(path)) differs", sourceLocation: sourceLocation)
        default: break
        }
    }
}

/// Has an image judged by the machine's fsck.erofs.
func expectFsck(_ image: Image) async throws {
    let result = try await run("fsck.erofs", ["--extract", image.path.string])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
}

/// Has fsck.erofs extract an image, and compares with what the kernel shows of it at `mount`.
///
/// - Parameter prefixes: how the paths begin that are not compared.
func expectExtraction(of image: Image, like mount: FilePath, exceptFor prefixes: [String]) async throws {
    let target = image.folder.appending("extracted")
    let result = try await run("fsck.erofs", ["--extract=\(target)", image.path.string])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    // fsck.erofs 1.5 makes every name a file of its own, sets no xattrs, and the times of few things but folders.
    let extracted = try TreeListing(target, without: [.links, .xattrs, .fileTimes])
    let seen = try TreeListing(mount, without: [.links, .xattrs, .fileTimes])
    let differences = seen.differences(from: extracted).filter { line in
        !prefixes.contains { line.dropFirst(2).hasPrefix($0) }
    }
    #expect(differences == [])
    try Directory.removeTree(target)
}

/// Reads files here and there, each the first time anybody does, through the kernel and through our reader.
func expectRandomReads(_ image: Image, at mount: FilePath, hold model: Model) throws {
    let reader = try image.reader()
    var generator = SeededRandom(11)
    for (path, want) in model.expected().sorted(by: { text($0.key) < text($1.key) }) where want.size > 0 {
        let content = want.pieces.flatMap { piece in
            switch piece {
            case .bytes(let bytes): bytes
            case .hole(let count): [UInt8](repeating: 0, count: Int(count))
            }
        }
        let inode = try #require(try reader.lookup(path))
        let file = try File(path.reduce(mount) { $0.appending(bytes: $1) }, .readOnly)
        for _ in 0..<8 {
            // Half of them around the edge of a block.
            var offset = Int.random(in: 0..<content.count, using: &generator)
            if Bool.random(using: &generator) { offset = max(0, (offset & ~4095) - 1) }
            let expected = Array(content[offset...].prefix(Int.random(in: 1...9000, using: &generator)))
            var ours = [UInt8](repeating: 1, count: expected.count)
            var kernels = ours
            let count = try ours.withUnsafeMutableBytes {
                try reader.read(inode, at: UInt64(offset), into: $0)
            }
            let read = try kernels.withUnsafeMutableBytes { try file.read(into: $0, at: UInt64(offset)) }
            #expect(count == expected.count && ours == expected, "the reader: \(text(path)) at \(offset)")
            #expect(read == expected.count && kernels == expected, "the kernel: \(text(path)) at \(offset)")
        }
    }
}

extension FilePath {
    /// The path with a name that need not be UTF-8.
    func appending(bytes name: [UInt8]) -> FilePath {
        FilePath(
            platformString: withPlatformString { Array(UnsafeBufferPointer(start: $0, count: strlen($0))) }
                + [47] + name.map(CChar.init(bitPattern:)) + [0]
        )
    }
}

/// Mounts an image read-only for the time of `body`.
func withMount(_ image: Image, loop: Bool, _ body: (FilePath) async throws -> Void) async throws {
    let target = image.folder.appending("mount")
    try Directory.create(target)
    if loop {
        try await check("mount", ["-t", "erofs", "-o", "ro,loop", image.path.string, target.string])
    } else {
        let code = shim_mount(image.path.string, target.string, "erofs", UInt(MS_RDONLY), "")
        guard code == 0 else { throw FileError("mount", image.path, Errno(rawValue: errno)) }
    }
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(target)) } catch { outcome = .failure(error) }
    // Lazily: a program that another test is just starting may hold a copy of a descriptor for a moment.
    #expect(shim_umount(target.string, Int32(MNT_DETACH)) == 0)
    try outcome.get()
}

private func makedev(_ major: UInt32, _ minor: UInt32) -> UInt {
    UInt(minor & 0xFF) | UInt(major & 0xFFF) << 8 | UInt(minor & ~0xFF) << 12 | UInt(major & ~0xFFF) << 32
}

private func modeBits(_ kind: NodeKind) -> UInt32 {
    switch kind {
    case .regular: 0o100000
    case .directory: 0o040000
    case .symbolicLink: 0o120000
    case .characterDevice: 0o020000
    case .blockDevice: 0o060000
    case .fifo: 0o010000
    case .socket: 0o140000
    }
}

private func xattrs(_ path: [CChar]) -> [ExtendedAttribute] {
    var list = [CChar](repeating: 0, count: 65536)
    let count = shim_llistxattr(path, &list, list.count)
    guard count > 0 else { return [] }
    let names = list.prefix(count).split(separator: 0).map { $0.map(UInt8.init(bitPattern:)) }
    return sorted(
        names.map { name in
            var value = [UInt8](repeating: 0, count: 65536)
            let size = shim_lgetxattr(path, name.map(CChar.init(bitPattern:)) + [0], &value, value.count)
            return ExtendedAttribute(name: name, value: Array(value.prefix(max(0, size))))
        }
    )
}

/// Compares bytes that come piece by piece with what they should be.
struct ContentComparison {
    private var rest: ArraySlice<Piece>
    private var offset: UInt64 = 0
    private(set) var isEqual = true

    init(_ pieces: [Piece]) { rest = pieces.filter { $0.count > 0 }[...] }

    var isSame: Bool { isEqual && rest.isEmpty }

    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        var bytes = bytes
        while !bytes.isEmpty {
            guard let piece = rest.first else { return isEqual = false }
            let count = Int(min(piece.count - offset, UInt64(bytes.count)))
            let part = UnsafeRawBufferPointer(rebasing: bytes[..<count])
            switch piece {
            case .bytes(let wanted):
                let same = wanted.withUnsafeBytes {
                    memcmp($0.baseAddress! + Int(offset), part.baseAddress!, count) == 0
                }
                if !same { isEqual = false }
            case .hole:
                // All zero: the first byte is, and each is like the one before.
                let same = part[0] == 0 && memcmp(part.baseAddress!, part.baseAddress! + 1, count - 1) == 0
                if !same { isEqual = false }
            }
            offset += UInt64(count)
            if offset == piece.count {
                rest.removeFirst()
                offset = 0
            }
            bytes = UnsafeRawBufferPointer(rebasing: bytes[count...])
        }
    }
}
