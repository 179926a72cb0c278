import TestSupport

@testable import EROFS

/// Changes an image by chance where its metadata is, field by field: what a writer with other intentions would do.
struct Mutator {
    /// What stands in a stretch of the image.
    private enum Area: CaseIterable {
        case superblock, inode, attributes, entries, index, chunks, target, compressed
    }

    private let original: Specimen
    private let places: [Area: [Range<Int>]]
    private let areas: [Area]
    private var generator: SeededRandom

    init(_ specimen: Specimen, seed: UInt64) throws {
        original = specimen
        generator = SeededRandom(seed)
        let places = try Self.places(specimen.reader)
        self.places = places
        areas = Area.allCases.filter { places.keys.contains($0) }
    }

    /// The image with one to three changes.
    mutating func next() -> Specimen {
        var specimen = original
        for _ in 0..<Int.random(in: 1...3, using: &generator) { change(&specimen) }
        return specimen
    }

    private static func places(_ reader: ImageReader) throws -> [Area: [Range<Int>]] {
        var places: [Area: [Range<Int>]] = [.superblock: [Superblock.offset + 8..<reader.superblock.end]]
        func add(_ area: Area, _ start: UInt64, _ end: UInt64) {
            guard start < end, !places[area, default: []].contains(Int(start)..<Int(end)) else { return }
            places[area, default: []].append(Int(start)..<Int(end))
        }
        var inodes = try Names(reader).all.map(\.inode)
        if reader.superblock.packedNID != 0 { inodes.append(try reader.inode(reader.superblock.packedNID)) }
        for inode in inodes {
            add(.inode, inode.offset, inode.fixedEnd)
            add(.attributes, inode.fixedEnd, inode.bodyOffset)
            for word in try reader.sharedAttributes(of: inode) {
                let start = UInt64(reader.superblock.xattrBlock) * UInt64(Format.blockSize) + word * 4
                add(.attributes, start, start + 16)
            }
            switch (inode.kind, inode.fields.layout) {
            case (.symbolicLink, .flatInline): add(.target, inode.bodyOffset, inode.bodyOffset + inode.size)
            case (.directory, .flatInline): add(.entries, inode.bodyOffset, inode.bodyOffset + inode.size)
            case (.directory, .flatPlain):
                let start = UInt64(inode.fields.union) * UInt64(Format.blockSize)
                add(.entries, start, start + inode.size)
            case (.regular, .chunkBased):
                add(.chunks, align(inode.bodyOffset, to: 4), try ChunkTable(reader, inode).metadataEnd)
            case (.regular, .compressedFull), (.regular, .compressedCompact):
                let clusters = try ClusterReader(reader, inode)
                add(.index, inode.mapHeaderOffset, clusters.metadataEnd)
                var position: UInt64 = 0
                while clusters.header.wholeFragment == nil, position < inode.size {
                    let cluster = try clusters.cluster(at: position)
                    add(.compressed, cluster.imageOffset, cluster.imageOffset + UInt64(cluster.imageSize))
                    position = cluster.end
                }
            default: break
            }
        }
        return places
    }

    private mutating func change(_ specimen: inout Specimen) {
        let area = areas.randomElement(using: &generator) ?? .superblock
        let width = [1, 2, 4, 8].randomElement(using: &generator) ?? 1
        guard let place = field(of: width, in: area), let other = field(of: width, in: area) else { return }
        let old = Self.value(specimen.bytes, place, width)
        let new: UInt64 =
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: generator.next()
            case 1: old ^ 1 << UInt64.random(in: 0..<UInt64(8 * width), using: &generator)
            case 2: old &+ UInt64.random(in: 1...4, using: &generator)
            case 3: old &- UInt64.random(in: 1...4, using: &generator)
            case 4: [0, .max].randomElement(using: &generator) ?? 0
            case 5:
                [46, 47, 1, 2, 255, 4095, 4096, 4097, 0x7FFF_FFFF].randomElement(using: &generator) ?? 0
            // What another field holds: blocks that are used again, folders in each other.
            default: Self.value(specimen.bytes, other, width)
            }
        for byte in 0..<width {
            specimen.bytes[place + byte] = UInt8(truncatingIfNeeded: new >> UInt64(8 * byte))
        }
    }

    /// The place of a field in an area, the beginnings of stretches more often than what follows.
    private mutating func field(of width: Int, in area: Area) -> Int? {
        guard let range = places[area]?.randomElement(using: &generator), range.count >= width else {
            return nil
        }
        let isNearStart = Bool.random(using: &generator)
        let last = (isNearStart ? min(range.count, 64) : range.count) / width - 1
        return range.lowerBound + Int.random(in: 0...max(0, last), using: &generator) * width
    }

    private static func value(_ bytes: [UInt8], _ offset: Int, _ width: Int) -> UInt64 {
        (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }
}

extension ImageReader {
    /// The words of the shared area at which an inode's shared attributes begin.
    fileprivate func sharedAttributes(of inode: EROFS.Inode) throws -> [UInt64] {
        guard inode.xattrSize > 0 else { return [] }
        let bytes = try read(inode.fixedEnd, inode.xattrSize)
        return bytes.withUnsafeBytes { bytes in
            (0..<Int(bytes[4])).compactMap {
                bytes.integer(at: Format.xattrHeaderSize + $0 * 4, as: UInt32.self).map(UInt64.init)
            }
        }
    }
}
