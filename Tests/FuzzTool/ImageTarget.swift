import EROFS
import Glibc
import Host
import ImageBackend
import SystemPackage
import TestSupport

extension Target {
    private static let scratch = ScratchFile("image")
    private static let merged = ScratchFile("merged")

    /// The reader and the check of an image: both take anything, and what passes the check is read without an error. So
    /// does merging it with itself: what comes of it is sound.
    static let image = Target(
        name: "image",
        seeds: { try ImageSeeds.all() },
        one: { data, size in
            scratch.hold(UnsafeRawBufferPointer(start: data, count: size))
            let isSound = ImageReading.check(scratch.file, expandedBytes: 16 << 20)
            do { try ImageReading.readAll(scratch.file) } catch {
                if isSound { finding("a sound image cannot be read: \(error)") }
            }
            ImageReading.merge(scratch.file, into: merged, isSound: isSound)
            return 0
        },
        repair: nil
    )
}

/// Looking at an image in every way there is.
enum ImageReading {
    /// Whether the check finds the image sound.
    static func check(_ file: File, expandedBytes: UInt64? = nil) -> Bool {
        do {
            _ = try ImageCheck(limits: ImageCheck.Limits(expandedBytes: expandedBytes)).check(file)
            return true
        } catch { return false }
    }

    /// Merges an image as a layer over itself, where its files are not too large for that.
    static func merge(_ file: File, into target: ScratchFile, isSound: Bool) {
        target.hold(UnsafeRawBufferPointer(start: nil, count: 0))
        do throws(EROFSError) {
            guard try bytes(of: file) < 4 << 20 else { return }
            let layer = (image: file, hasOpaqueRoot: false)
            let options = WriterOptions(guestKernel: GuestKernel(6, 1))
            _ = try LayerMerge.write([layer, layer], to: target.file, options: options)
        } catch {
            // The check allows a little that the writer does not, such as targets of 4,096 bytes.
            if isSound, case .corrupt = error { finding("a sound image cannot be merged: \(error)") }
            return
        }
        // Clusters are not looked into when they are taken over.
        guard isSound else { return }
        do {
            _ = try ImageCheck().check(target.file)
            try readAll(target.file)
        } catch { finding("what was merged is not sound: \(error)") }
    }

    /// The sizes of all files together, as far as they have names.
    private static func bytes(of file: File) throws(EROFSError) -> UInt64 {
        let reader = try ImageReader(file: file)
        var total: UInt64 = 0
        var nids = [reader.root]
        var seen: Set<UInt64> = [reader.root]
        while let nid = nids.popLast() {
            let inode = try reader.inode(nid)
            total = max(total, total &+ min(inode.size, 1 << 40))
            guard inode.kind == .directory else { continue }
            for entry in try reader.entries(of: inode) {
                if seen.insert(entry.nid).inserted { nids.append(entry.nid) } else { total += 4096 }
            }
        }
        return total
    }

    /// Reads every inode that has a name, its attributes and the first bytes of its data, up to bounds on all of these.
    /// Goes on after an error, and throws the first.
    static func readAll(_ file: File) throws(EROFSError) {
        let reader = try ImageReader(file: file)
        var failure: EROFSError?
        var nids = [reader.root]
        var seen: Set<UInt64> = [reader.root]
        while let nid = nids.popLast(), seen.count < 500 {
            do { try read(nid, of: reader, &nids, &seen) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private static func read(
        _ nid: UInt64,
        of reader: ImageReader,
        _ nids: inout [UInt64],
        _ seen: inout Set<UInt64>
    )
        throws(EROFSError)
    {
        let inode = try reader.inode(nid)
        _ = try reader.xattrs(of: inode)
        switch inode.kind {
        case .directory where inode.size < 1 << 20:
            for entry in try reader.entries(of: inode) where seen.insert(entry.nid).inserted {
                nids.append(entry.nid)
            }
        case .symbolicLink: _ = try reader.target(of: inode)
        case .regular: try readData(inode, of: reader)
        default: break
        }
    }

    /// The first 256 KiB at once, and again in odd pieces: the bytes must be the same.
    private static func readData(_ inode: EROFS.Inode, of reader: ImageReader) throws(EROFSError) {
        let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { whole.deallocate() }
        let part = UnsafeMutableRawBufferPointer.allocate(byteCount: 5001, alignment: 16)
        defer { part.deallocate() }
        let count = try reader.read(inode, at: 0, into: whole)
        var offset = 0
        while offset < count {
            let read = try reader.read(inode, at: UInt64(offset), into: part)
            let compared = min(read, count - offset)
            guard read > 0,
                part.prefix(compared).elementsEqual(whole[offset..<offset + compared])
            else { finding("inode \(inode.nid) reads differently at \(offset)") }
            // Overlapping, so that clusters are entered in their middle.
            offset += max(1, read - 700)
            if read < part.count { break }
        }
        // The end as well, wherever it is said to be.
        if inode.size > 5001 { _ = try reader.read(inode, at: inode.size - 5001, into: part) }
    }
}

/// Small images of every kind that the writer makes, without the checksum that would refuse every mutation.
private enum ImageSeeds {
    static let compressions: [(String, Compression)] = [
        ("none", .none), ("lz4-4k", .lz4(clusterSize: 4096)), ("lz4-16k", .lz4(clusterSize: 16384)),
        ("lz4hc-64k", .lz4hc(level: 9, clusterSize: 65536)),
    ]

    static func all() throws -> [(name: String, bytes: [UInt8])] {
        var seeds: [(name: String, bytes: [UInt8])] = []
        let folder = try TemporaryDirectory("seeds")
        for (name, compression) in compressions {
            let path = folder.appending(name)
            let file = try File(path, .readWrite, options: [.create])
            let writer = try ImageWriter(file: file, options: WriterOptions(compression: compression))
            // Compressed, a hole is one cluster that is expanded for each look at it.
            try fill(writer, hole: compression == .none ? 2 << 20 : 200 << 10)
            _ = try writer.finish()
            var bytes = try folder.bytes(of: name)
            seeds.append(("\(name)-sealed", bytes))
            // Bit 0 of the compatible features (erofs_fs.h, EROFS_FEATURE_COMPAT_SB_CHKSUM).
            bytes[1024 + 8] &= ~1
            seeds.append((name, bytes))
        }
        return seeds
    }

    private static func fill(_ writer: ImageWriter, hole: UInt64) throws {
        let plain = Attributes(permissions: 0o644, modified: Timestamp(seconds: 1))
        let label = ExtendedAttribute("user.label", [1, 2, 3])
        let labelled = Attributes(
            permissions: 0o755,
            userID: 70_000,
            modified: Timestamp(seconds: -5),
            xattrs: [label]
        )
        let folder = try writer.addDirectory(
            named: Array("folder".utf8),
            in: writer.root,
            attributes: labelled
        )
        let prose = Array(String(repeating: "the quick brown fox and the lazy dog, again. ", count: 300).utf8)
        for (name, bytes) in [
            ("prose", prose), ("noise", TarCorpus.noise(5000)), ("small", [1, 2, 3]), ("empty", []),
        ] as [(String, [UInt8])] {
            let node = try writer.beginFile(
                named: Array(name.utf8),
                in: folder,
                size: UInt64(bytes.count),
                attributes: labelled
            )
            try bytes.withUnsafeBytes { try writer.write($0) }
            try writer.endFile()
            try writer.addHardLink(named: Array("\(name)-link".utf8), in: writer.root, to: node)
        }
        try writer.beginFile(named: Array("sparse".utf8), in: folder, size: hole + 3, attributes: plain)
        try writer.writeHole(hole)
        try prose.withUnsafeBytes { try writer.write(UnsafeRawBufferPointer(rebasing: $0[..<3])) }
        try writer.endFile()
        try writer.addSymbolicLink(
            named: Array("symlink".utf8),
            in: writer.root,
            target: Array("folder/prose".utf8),
            attributes: plain
        )
        try writer.addDevice(
            named: Array("null".utf8),
            in: writer.root,
            kind: .characterDevice,
            major: 1,
            minor: 3,
            attributes: plain
        )
    }
}
