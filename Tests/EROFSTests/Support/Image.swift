import EROFS
import Host
import SystemPackage
import TestSupport

/// An image made for a test, in a folder that goes with it.
struct Image: Sendable {
    let folder: TemporaryDirectory
    let path: FilePath
    let summary: Summary

    init(_ options: WriterOptions = WriterOptions(), _ fill: (ImageWriter) throws -> Void) throws {
        folder = try TemporaryDirectory("erofs")
        path = folder.appending("image.erofs")
        let file = try File(path, .readWrite, options: [.create, .exclusiveCreate])
        let writer = try ImageWriter(file: file, options: options)
        try fill(writer)
        summary = try writer.finish()
    }

    /// An image in a file that begins as a copy of another.
    init(copying image: FilePath, _ write: (File) throws -> Summary) throws {
        folder = try TemporaryDirectory("erofs")
        path = folder.appending("image.erofs")
        try File.regular(image).copy(to: path, Cancellation())
        summary = try write(File(path, .readWrite))
    }

    init(_ model: Model, _ options: WriterOptions = WriterOptions()) throws {
        try self.init(options) { try model.write(with: $0) }
    }

    func reader() throws -> ImageReader { try ImageReader(file: File(path, .readOnly)) }

    func bytes() throws -> [UInt8] { try AtomicFile.read(path, limit: 1 << 30) ?? [] }
}

extension SeededRandom {
    /// Bytes that do not compress.
    mutating func noise(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var index = 0
        while index < count {
            var value = next()
            for _ in 0..<min(8, count - index) {
                bytes[index] = UInt8(truncatingIfNeeded: value)
                value >>= 8
                index += 1
            }
        }
        return bytes
    }

    /// Bytes that compress about two to one, differently from place to place.
    mutating func prose(_ count: Int) -> [UInt8] {
        let words = (0..<64).map { _ in noise(Int.random(in: 3...9, using: &self)) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 16)
        while bytes.count < count {
            let number = Int(next() & 127)
            bytes += number < 64 ? words[number] : noise(3)
        }
        return Array(bytes.prefix(count))
    }
}
