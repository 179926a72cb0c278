import Glibc

/// Collects a folder's entries into blocks (`struct erofs_dirent`).
final class DirectoryBlockBuilder {
    private struct Pending {
        var nid: UInt64
        var type: UInt8
        var nameOffset: Int
        var nameLength: Int
    }

    private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Format.blockSize, alignment: 4096)
    private let names = UnsafeMutableRawBufferPointer.allocate(byteCount: Format.blockSize, alignment: 64)
    private var pending: [Pending] = []
    private var nameBytes = 0
    private var blocks = DirectoryBlocks()

    deinit {
        block.deallocate()
        names.deallocate()
    }

    func begin() {
        blocks = DirectoryBlocks()
        clear()
    }

    /// Adds an entry; `full` is given a block that the entry no longer fits into.
    func add(
        nid: UInt64,
        type: UInt8,
        name: UnsafeRawBufferPointer,
        full: (UnsafeRawBufferPointer) throws(EROFSError) -> Void
    ) throws(EROFSError) {
        if blocks.add(nameLength: name.count) {
            render()
            try full(UnsafeRawBufferPointer(block))
            clear()
        }
        pending.append(Pending(nid: nid, type: type, nameOffset: nameBytes, nameLength: name.count))
        UnsafeMutableRawBufferPointer(rebasing: names[nameBytes...]).copyMemory(from: name)
        nameBytes += name.count
    }

    /// The last block: as many bytes as are used, of a block that is zero behind them.
    func finish() -> (used: Int, block: UnsafeRawBufferPointer) {
        render()
        return (blocks.used, UnsafeRawBufferPointer(block))
    }

    private func clear() {
        pending.removeAll(keepingCapacity: true)
        nameBytes = 0
    }

    private func render() {
        let base = block.baseAddress.unsafelyUnwrapped
        memset(base, 0, Format.blockSize)
        let namesStart = pending.count * Format.direntSize
        for (index, entry) in pending.enumerated() {
            let dirent = base + index * Format.direntSize
            dirent.store(entry.nid, at: 0)
            dirent.store(UInt16(namesStart + entry.nameOffset), at: 8)
            dirent.store(entry.type, at: 10)
        }
        memcpy(base + namesStart, names.baseAddress.unsafelyUnwrapped, nameBytes)
    }
}
