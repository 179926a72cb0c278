import Host
import SystemPackage
import TestSupport
import Testing

@testable import EROFS

/// The bytes of an image, to be damaged at a place that is found through the reader.
struct Specimen: Sendable {
    var bytes: [UInt8]
    let reader: ImageReader

    init(_ model: Model, _ options: WriterOptions = WriterOptions()) throws {
        let image = try Image(model, options)
        bytes = try image.bytes()
        reader = try image.reader()
        // The checksum would refuse every change of the first block, the root among them.
        bytes[Superblock.offset + 8] &= ~1
    }

    /// The inode at a path.
    func inode(_ path: String) throws -> EROFS.Inode {
        try #require(try reader.lookup(path.split(separator: "/").map { Array($0.utf8) }), "no \(path)")
    }

    /// The byte at which the entry of a name begins in its folder's inline data or first block.
    func entry(_ name: String, in path: String) throws -> Int {
        let folder = try inode(path)
        let listing = try reader.readAll(folder)
        let index = try listing.withUnsafeBytes { bytes in
            let block = try DirectoryBlock(bytes, of: folder.nid)
            return try (0..<block.count).first { try block.entry($0).name == Array(name.utf8) }
        }
        return start(of: folder) + (try #require(index, "no \(name) in \(path)")) * Format.direntSize
    }

    /// The byte at which the name of an entry begins.
    func name(_ name: String, in path: String) throws -> Int {
        let entry = try entry(name, in: path)
        return start(of: try inode(path)) + Int(bytes[entry + 8]) + Int(bytes[entry + 9]) << 8
    }

    private func start(of folder: EROFS.Inode) -> Int {
        folder.isInline ? Int(folder.bodyOffset) : Int(folder.fields.union) * Format.blockSize
    }

    /// Stores a little-endian integer.
    mutating func store<Number: FixedWidthInteger>(_ value: Number, at offset: Int) {
        withUnsafeBytes(of: value.littleEndian) {
            bytes.replaceSubrange(offset..<offset + $0.count, with: $0)
        }
    }

    /// The image as an open file that has no name any more: specimens that tests share never go, and so would a folder.
    func file() throws -> File {
        let folder = try TemporaryDirectory("specimen")
        return try File(folder.write(bytes, to: "image.erofs"), .readOnly)
    }

    /// What a check says of it; nil when it is sound.
    func verdict(_ check: ImageCheck = ImageCheck()) throws -> String? {
        do { _ = try check.check(file()) } catch { return "\(error)" }
        return nil
    }
}
