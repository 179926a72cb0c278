import COpenSSL
import Glibc

/// Lays small files one behind the other into the packed inode, files of the same content once.
///
/// Files are told apart by Poly1305 (RFC 8439) under a key that is made anew: nobody who makes a layer can make two
/// contents that are taken for one, and the chance that it happens all the same is below 2^-90 for files this small.
/// The key decides nothing that is written.
struct FilePacker: ~Copyable {
    /// A content that is packed.
    private struct Content: BitwiseCopyable {
        var tag: (UInt64, UInt64)
        var offset: UInt64
        var size: UInt32
        /// How many files have it.
        var users: UInt32 = 1
    }

    /// The blocks of the first segment: packs of the index have to end where segments do, since these do not follow
    /// each other in the image. The index begins with pairs, so the first one is shorter.
    private static let firstSegment: Int = {
        let item = CompressedItem(inodeSize: Format.extendedInodeSize, xattrSize: 0)
        let leading = CompactLayout(start: item.indexOffset % 32, count: 0).leading
        let blocks = Batch.segmentSize / Format.blockSize
        return ((blocks - leading) / 16 * 16 + leading) * Format.blockSize
    }()

    private let authenticator: Authenticator
    private var table = NameTable()
    private var contents = GrowingBuffer<Content>()
    /// The segment that is being filled.
    private(set) var batch = Batch()
    private var limit = FilePacker.firstSegment
    /// The bytes that were packed.
    private(set) var size: UInt64 = 0

    init() throws(EROFSError) { authenticator = try Authenticator() }

    /// Whether the segment takes no more.
    var isFull: Bool { batch.used == limit }

    /// Where the packed inode has this content already; nil where it is new, and is noted for the current end.
    mutating func find(_ bytes: UnsafeRawBufferPointer) throws(EROFSError) -> UInt64? {
        let tag = try authenticator.tag(bytes)
        let hash = UInt32(truncatingIfNeeded: tag.0)
        let size = UInt32(truncatingIfNeeded: bytes.count)
        let known = table.find(hash) { index in
            let content = contents[Int(index)]
            return content.tag.0 == tag.0 && content.tag.1 == tag.1 && content.size == size
        }
        if let known {
            contents[Int(known)].users &+= 1
            return contents[Int(known)].offset
        }
        guard contents.count < Int(UInt32.max) - 1 else { return nil }
        table.insert(hash, UInt32(contents.count))
        contents.append(Content(tag: tag, offset: self.size, size: size))
        return nil
    }

    /// Notes that a file is gone whose content lies at an offset; returns the bytes that no file has any more.
    mutating func release(at offset: UInt64) -> UInt64 {
        // Contents are noted in the order of their offsets.
        var low = 0
        var high = contents.count
        while low < high {
            let middle = (low + high) / 2
            if contents[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        guard low < contents.count, contents[low].offset == offset else { return 0 }
        contents[low].users &-= 1
        return contents[low].users == 0 ? UInt64(contents[low].size) : 0
    }

    /// Takes bytes up to the end of the segment and returns how many.
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = min(bytes.count, limit - batch.used)
        if let source = bytes.baseAddress, let target = batch.input.baseAddress {
            memcpy(target + batch.used, source, count)
        }
        batch.used += count
        size += UInt64(count)
        return count
    }

    /// Hands over the segment, described as a part, and goes on in another batch.
    mutating func takeSegment(next: Batch) -> Batch {
        let segment = batch
        var part = Part(inode: 0, kind: .regular, attributes: Attributes(permissions: 0))
        part.size = UInt64(Int64.max)
        part.length = UInt64(segment.used)
        part.isPacked = true
        part.isFirst = limit == Self.firstSegment && size == UInt64(segment.used)
        part.isLast = false
        segment.parts = [part]
        batch = next
        limit = Batch.segmentSize
        return segment
    }
}

/// Poly1305 under a key of its own (OpenSSL's `EVP_MAC-POLY1305`).
private final class Authenticator {
    private let context: OpaquePointer
    private let key: [UInt8]

    init() throws(EROFSError) {
        // A library context of its own has the default provider, whatever the machine's configuration says.
        guard let library = OSSL_LIB_CTX_new() else { throw Self.missing }
        defer { OSSL_LIB_CTX_free(library) }
        guard let mac = EVP_MAC_fetch(library, "POLY1305", nil) else { throw Self.missing }
        defer { EVP_MAC_free(mac) }
        guard let context = EVP_MAC_CTX_new(mac) else { throw Self.missing }
        self.context = context
        var generator = SystemRandomNumberGenerator()
        key = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    deinit { EVP_MAC_CTX_free(context) }

    func tag(_ bytes: UnsafeRawBufferPointer) throws(EROFSError) -> (UInt64, UInt64) {
        var tag: (UInt64, UInt64) = (0, 0)
        var count = 0
        let isDone = withUnsafeMutableBytes(of: &tag) { tag in
            EVP_MAC_init(context, key, key.count, nil) == 1
                && EVP_MAC_update(context, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count) == 1
                && EVP_MAC_final(context, tag.bindMemory(to: UInt8.self).baseAddress, &count, tag.count) == 1
        }
        guard isDone, count == 16 else { throw Self.missing }
        return tag
    }

    private static var missing: EROFSError { .unsupported("OpenSSL has no Poly1305") }
}
