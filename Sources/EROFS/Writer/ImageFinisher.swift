import Glibc
import Host

/// Completes an image whose files are written: link counts, folders, shared attributes, and the first block last.
struct ImageFinisher {
    let file: File
    let options: WriterOptions
    let assembler: Assembler
    /// The image that this one extends, if it does.
    let existing: ExistingImage?
    /// What the image carries behind its file system.
    let note: [UInt8]

    func finish(_ tree: inout Tree) throws(EROFSError) -> Summary {
        let epoch = assembler.epoch ?? tree.attributes(ofFolder: 0).modified
        assembler.epoch = epoch
        let packed = try assembler.finishPacked(number: assembler.firstNumber + UInt32(tree.inodes.count))
        try assembler.metadata.finish(assembler.output)
        try LinkPatcher(file: file, epoch: epoch, existing: existing?.links ?? []).patch(&tree, assembler)

        var superblock = superblock(epoch)
        if let packed {
            superblock.packedNID = assembler.metadata.imageByte(of: packed) / UInt64(Format.slotSize)
        }
        let root =
            existing?.root ?? RootPlace(offset: superblock.end, room: Format.blockSize - superblock.end)
        superblock.rootNID = UInt16(root.offset / Format.slotSize)
        let firstBlock = existing?.newFirstBlock() ?? Self.emptyBlock()
        defer { firstBlock.deallocate() }
        var folders = DirectoryWriter(
            assembler,
            file: file,
            root: root,
            epoch: epoch,
            cancellation: options.cancellation
        )
        var size = try folders.write(&tree, firstBlock: firstBlock)
        if !assembler.xattrs.shared.isEmpty {
            superblock.xattrBlock = UInt32(truncatingIfNeeded: size >> UInt64(Format.blockBits))
            size = try write(assembler.xattrs.shared, at: size)
        }
        if !note.isEmpty { size = try write(ImageNote.encode(note), at: size) }
        if let existing { size = try write(existing.firstBlock, at: size) }
        let blocks = size >> UInt64(Format.blockBits)
        guard blocks < UInt64(Format.holeAddress) else { throw .unsupported("an image of more than 16 TiB") }
        superblock.blockCount = UInt32(blocks)
        superblock.inodeCount = countInodes(tree)
        if existing == nil {
            superblock.encode(into: firstBlock)
        } else {
            superblock.update(firstBlock)
        }
        do {
            try file.truncate(to: size)
            if options.cancellation?.isCancelled == true { throw EROFSError.cancelled }
            try file.writeAll(UnsafeRawBufferPointer(firstBlock), at: 0)
        } catch let error as FileError { throw .file(error) } catch { throw .cancelled }
        return Summary(
            size: size,
            inodes: superblock.inodeCount,
            entries: tree.liveEntries,
            deadBytes: tree.deadBytes,
            minimumKernel: superblock.minimumKernel
        )
    }

    private func superblock(_ epoch: Timestamp) -> Superblock {
        if let existing {
            var superblock = existing.reader.superblock
            superblock.uuid = options.uuid
            superblock.incompatibleFeatures |= assembler.usedFeatures
            return superblock
        }
        var superblock = Superblock()
        superblock.compatibleFeatures =
            Format.CompatibleFeature.checksum | Format.CompatibleFeature.modificationTime
        superblock.incompatibleFeatures = assembler.usedFeatures
        superblock.epoch = epoch
        superblock.uuid = options.uuid
        superblock.clusterBlocks = assembler.largestCluster
        return superblock
    }

    private static func emptyBlock() -> UnsafeMutableRawBufferPointer {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Format.blockSize, alignment: 4096)
        memset(block.baseAddress.unsafelyUnwrapped, 0, block.count)
        return block
    }

    /// Writes blocks behind the folders and returns the offset behind them.
    private func write(_ bytes: [UInt8], at offset: UInt64) throws(EROFSError) -> UInt64 {
        let output = ImageOutput(file: file, at: offset)
        let outcome = bytes.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in try output.append(bytes) }
        }
        try outcome.get()
        try output.padToBlock()
        try output.flush()
        return output.position
    }

    private func countInodes(_ tree: borrowing Tree) -> UInt64 {
        tree.inodes.elements.reduce(1) { $0 + ($1.links > 0 ? 1 : 0) }
    }
}
