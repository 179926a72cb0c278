import Foundation
import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

@testable import EROFS

/// Images of our writer, changed by chance where their metadata is. Most changes are found by the check; what it lets
/// pass has to be harmless. `SLIPWAY_MUTATIONS` sets how many images each test tries, `SLIPWAY_MUTATION_SEED` which.
@Suite("Images made to do harm", .serialized)
struct HostileImageTests {
    private static func number<Number: FixedWidthInteger>(_ name: String) -> Number? {
        ProcessInfo.processInfo.environment[name].flatMap { Number($0) }
    }
    private static let rounds: Int = number("SLIPWAY_MUTATIONS") ?? 200
    private static let seed: UInt64 = number("SLIPWAY_MUTATION_SEED") ?? 1

    private static let ways = [
        WriterOptions(compression: .none), WriterOptions(compression: .lz4(clusterSize: 4096)),
        WriterOptions(compression: .lz4(clusterSize: 65536), guestKernel: GuestKernel(5, 17)),
        WriterOptions(compression: .lz4(clusterSize: 16384), guestKernel: GuestKernel(6, 1)),
    ]

    /// A little of everything that an image can hold.
    private static func model() -> Model {
        var generator = SeededRandom(4)
        var model = Model()
        let xattrs = [ExtendedAttribute("user.label", [1, 2, 3]), ExtendedAttribute("trusted.x", [4])]
        let labelled = Attributes(permissions: 0o755, userID: 70_000, modified: Model.time, xattrs: xattrs)
        model.add("early", .fifo, Attributes(permissions: 0o644))
        model.add("dir", .directory, labelled)
        for index in 0..<120 { model.add("dir/entry-\(index)", .file([])) }
        model.add("dir/sub", .directory, Attributes(permissions: 0o755))
        model.add("dir/sub/deep", .directory)
        model.add("dir/sub/deep/file", text: "deep")
        for index in 0..<6 {
            let content = index % 3 == 0 ? generator.noise(9000) : generator.prose(9000 * index)
            model.add("file-\(index)", .file([.bytes(content)]), labelled)
            model.add("small-\(index)", .file([.bytes(generator.prose(900 * index))]))
        }
        model.add("hole", .file([.bytes([1]), .hole(1 << 20), .bytes([2])]))
        model.add("link", .link([Array("file-1".utf8)]))
        model.add("symlink", .symbolicLink(Array("dir/sub".utf8)), labelled)
        model.add("null", .device(.characterDevice, 1, 3))
        model.add("socket", .socket)
        return model
    }

    private static let check = ImageCheck(
        limits: ImageCheck.Limits(expandedBytes: 64 << 20, tarBytes: 64 << 20)
    )

    /// Calls `body` with images that the check lets pass, and has it and the reader see all others too.
    private func forEachSound(
        way: Int,
        rounds: Int,
        _ body: (_ file: File, _ report: ImageCheck.Report) async throws -> Void
    ) async throws {
        let specimen = try Specimen(Self.model(), Self.ways[way])
        var mutator = try Mutator(specimen, seed: Self.seed + UInt64(way))
        let folder = try TemporaryDirectory("hostile")
        var passed = 0
        for round in 0..<rounds {
            // A name of its own: a mount of the one before may still be on its way out.
            let path = try folder.write(mutator.next().bytes, to: "image-\(round).erofs")
            defer { try? Directory.unlink(path) }
            let file = try File(path, .readOnly)
            let report: ImageCheck.Report
            do throws(EROFSError) { report = try Self.check.check(file) } catch {
                readLoosely(file)
                continue
            }
            passed += 1
            try await body(file, report)
        }
        #expect(passed > rounds / 20 && passed < rounds, "\(passed) of \(rounds) passed")
    }

    /// Looks at an image that is not sound, bounded from outside: there may be errors, and nothing else.
    private func readLoosely(_ file: File) {
        guard let reader = try? ImageReader(file: file) else { return }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
        defer { buffer.deallocate() }
        var seen: Set<UInt64> = [reader.root]
        var stack = [reader.root]
        while let nid = stack.popLast(), seen.count < 1000 {
            guard let inode = try? reader.inode(nid) else { continue }
            _ = try? reader.xattrs(of: inode)
            switch inode.kind {
            case .regular:
                _ = try? reader.read(inode, at: 0, into: buffer)
                _ = try? reader.read(inode, at: inode.size / 2, into: buffer)
            case .symbolicLink: _ = try? reader.target(of: inode)
            case .directory where inode.size < 1 << 20:
                for entry in (try? reader.entries(of: inode)) ?? [] where seen.insert(entry.nid).inserted {
                    stack.append(entry.nid)
                }
            default: break
            }
        }
    }

    @Test("that pass the check are read without an error, and hold what the check counted", arguments: 0..<4)
    func reading(way: Int) async throws {
        try await forEachSound(way: way, rounds: Self.rounds) { file, report in
            let reader = try ImageReader(file: file)
            let names = try Names(reader).all
            #expect(UInt64(names.count) == report.entries + 1)
            var bytes: UInt64 = 0
            var seen: Set<UInt64> = []
            for name in names {
                _ = try reader.xattrs(of: name.inode)
                if name.inode.kind == .symbolicLink { _ = try reader.target(of: name.inode) }
                guard name.inode.kind == .regular, seen.insert(name.inode.nid).inserted else { continue }
                try reader.forEachChunk(of: name.inode) { bytes += UInt64($0.count) }
            }
            #expect(bytes == report.fileBytes)
        }
    }

    @Test("that pass the check are copied and taken over: the same tree, and sound again", arguments: 0..<4)
    func copying(way: Int) async throws {
        try await forEachSound(way: way, rounds: Self.rounds / 4) { file, report in
            let reader = try ImageReader(file: file)
            let copy = try Image(WriterOptions(compression: .none)) { try ImageCopy.copy(reader, to: $0) }
            let taken = try Image(WriterOptions(guestKernel: GuestKernel(6, 1))) { writer in
                let names = try Names(reader).all
                let needed = try names.compactMap { try reader.packedRange(of: $0.inode) }
                let places = try writer.takePacked(from: reader, needed: needed)
                var taking = Taking(reader: reader, writer: writer, places: places)
                try taking.run(names, into: Array("top".utf8))
            }
            let copied = try ImageCheck().check(File(copy.path, .readOnly))
            let taking = try ImageCheck().check(File(taken.path, .readOnly))
            #expect(copied.entries == report.entries && taking.entries == report.entries + 1)
            #expect(copied.fileBytes == report.fileBytes && taking.fileBytes == report.fileBytes)
            for name in try Names(reader).all where name.inode.kind == .regular {
                let content = try reader.readAll(name.inode)
                for (image, path) in [(copy, name.path), (taken, [Array("top".utf8)] + name.path)] {
                    let other = try image.reader()
                    let inode = try #require(try other.lookup(path))
                    #expect(try other.readAll(inode) == content, "\(text(path))")
                }
            }
        }
    }

    @Test("that pass the check are to the kernel what they are to the reader", arguments: 0..<4)
    func kernel(way: Int) async throws {
        let taint = try Self.kernelTaint()
        try await forEachSound(way: way, rounds: Self.rounds / 8) { file, _ in
            let mount = try await KernelMount.erofs(file.path)
            let reader = try ImageReader(file: file)
            for name in try Names(reader).all {
                try expect(name, of: reader, at: name.path.reduce(mount.path) { $0.appending(bytes: $1) })
            }
            withExtendedLifetime(mount) {}
        }
        #expect(try Self.kernelTaint() == taint, "the kernel complained: see dmesg")
    }

    private func expect(_ name: Names.Name, of reader: ImageReader, at path: FilePath) throws {
        let inode = name.inode
        let label = Comment(rawValue: text(name.path))
        var status = stat()
        guard path.withPlatformString({ lstat($0, &status) }) == 0 else {
            Issue.record("\(text(name.path)): errno \(errno)")
            return
        }
        #expect(UInt64(status.st_size) == inode.size || inode.kind == .fifo || inode.kind == .socket, label)
        #expect(UInt32(status.st_nlink) == inode.links, label)
        switch inode.kind {
        case .regular:
            #expect(try AtomicFile.read(path, limit: 1 << 30) == reader.readAll(inode), label)
        case .symbolicLink:
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = path.withPlatformString { readlink($0, &buffer, buffer.count) }
            #expect(try Array(buffer.prefix(max(0, count))) == reader.target(of: inode), label)
        case .directory:
            #expect(try Directory.names(in: path).count == reader.entries(of: inode).count, label)
        default: break
        }
    }

    /// What the kernel remembers of warnings and oopses since it started.
    private static func kernelTaint() throws -> [UInt8]? {
        try AtomicFile.read("/proc/sys/kernel/tainted")
    }
}
