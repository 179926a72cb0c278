import Glibc
import Host

/// The way from calls to bytes: parts are gathered into batches, batches are compressed by threads, and taken into
/// the image in the order they were filled.
final class Pipeline {
    let assembler: Assembler

    private let pool: CompressionPool?
    private let compressor: BatchCompressor
    private let cancellation: Cancellation?
    /// How many batches may be under way.
    private let depth: Int
    private var current = Batch()
    private var packer: FilePacker?
    private var underWay: [Batch] = []
    private var spare: [Batch] = []
    private var failure: EROFSError?

    init(file: File, startingAt start: UInt64, options: WriterOptions) throws(EROFSError) {
        let output = ImageOutput(file: file, at: start, maximum: options.maximumDataBytes)
        let compression = options.effectiveCompression
        assembler = Assembler(output: output, options: options)
        compressor = BatchCompressor(compression)
        cancellation = options.cancellation
        packer = options.packsFiles ? try FilePacker() : nil
        let threads = compression == .none || options.jobs == 1 ? 0 : options.jobs
        depth = threads == 0 ? 0 : threads + 1
        pool = threads == 0 ? nil : try CompressionPool(threads: threads, compression: compression)
    }

    deinit { pool?.stop() }

    func checkFailure() throws(EROFSError) {
        if let failure { throw failure }
    }

    /// Adds a part that is complete, with its bytes.
    func add(_ part: Part, _ bytes: UnsafeRawBufferPointer, _ tree: inout Tree) throws(EROFSError) {
        var part = part
        part.inputOffset = try reserve(bytes.count, &tree)
        append(bytes, count: bytes.count)
        part.length = UInt64(bytes.count)
        try close(part, &tree)
    }

    /// Packs a file's bytes together with others' and adds the part that leads to them.
    func pack(_ part: Part, _ bytes: UnsafeRawBufferPointer, _ tree: inout Tree) throws(EROFSError) {
        var part = part
        part.fragment = try pack(bytes, &tree)
        part.inputOffset = current.used
        try close(part, &tree)
    }

    /// Makes sure that the current batch has room for a segment, and returns where it begins.
    func reserve(_ count: Int, _ tree: inout Tree) throws(EROFSError) -> Int {
        if current.room < count { try submitCurrent(&tree) }
        return current.used
    }

    /// Appends bytes, or zeros for nil, to the segment that room was reserved for.
    func append(_ bytes: UnsafeRawBufferPointer?, count: Int) {
        guard count > 0, let target = current.input.baseAddress else { return }
        if let source = bytes?.baseAddress {
            memcpy(target + current.used, source, count)
        } else {
            memset(target + current.used, 0, count)
        }
        current.used += count
    }

    func close(_ part: Part, _ tree: inout Tree) throws(EROFSError) {
        current.parts.append(part)
        current.takenClusters += part.taken?.clusters.count ?? 0
        if current.isFull { try submitCurrent(&tree) }
    }

    /// Takes all that is under way into the image and ends the threads.
    func finish(_ tree: inout Tree) throws(EROFSError) {
        try submitCurrent(&tree)
        try submitPacked(&tree)
        while !underWay.isEmpty { try takeFirst(&tree) }
        pool?.stop()
    }

    /// Whether files were packed together.
    var hasPackedFiles: Bool { packer?.size ?? 0 > 0 }

    /// Notes that a file is gone that was packed at an offset; returns the bytes that no file has any more.
    func releasePacked(at offset: UInt64) -> UInt64 { packer?.release(at: offset) ?? 0 }

    /// Makes sure that no file was packed, and so that the packed inode may be made of others'.
    func endPacking() throws(EROFSError) {
        if let size = packer?.size, size > 0 {
            throw .misuse("packed files are taken over after others were packed")
        }
    }

    /// The offset in the packed inode at which it has these bytes.
    private func pack(_ bytes: UnsafeRawBufferPointer, _ tree: inout Tree) throws(EROFSError) -> UInt64 {
        guard let offset = packer?.size else {
            throw .misuse("a file is packed into an image without packed files")
        }
        if let known = try packer?.find(bytes) { return known }
        var rest = bytes
        while !rest.isEmpty {
            let count = packer?.append(rest) ?? rest.count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if packer?.isFull == true { try submitPacked(&tree) }
        }
        return offset
    }

    private func submitPacked(_ tree: inout Tree) throws(EROFSError) {
        // The segments of a file follow each other in the image: nothing comes between a batch and the next that goes on.
        if current.parts.first?.isFirst == false { try submitCurrent(&tree) }
        guard packer?.batch.used ?? 0 > 0, let batch = packer?.takeSegment(next: spare.popLast() ?? Batch())
        else {
            return
        }
        try submit(batch, &tree)
    }

    private func submitCurrent(_ tree: inout Tree) throws(EROFSError) {
        guard !current.isEmpty else {
            return try checkCancellation()
        }
        let batch = current
        current = spare.popLast() ?? Batch()
        try submit(batch, &tree)
    }

    private func checkCancellation() throws(EROFSError) {
        if cancellation?.isCancelled == true { try fail(.cancelled) }
    }

    private func submit(_ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        try checkCancellation()
        guard let pool else {
            compressor.compress(batch)
            try take(batch, &tree)
            return spare.append(batch)
        }
        pool.submit(batch)
        underWay.append(batch)
        if underWay.count > depth { try takeFirst(&tree) }
    }

    private func takeFirst(_ tree: inout Tree) throws(EROFSError) {
        let batch = underWay.removeFirst()
        batch.done.wait()
        try take(batch, &tree)
        spare.append(batch)
    }

    private func take(_ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        do { try assembler.take(batch, &tree) } catch { try fail(error) }
        batch.reset()
    }

    private func fail(_ error: EROFSError) throws(EROFSError) {
        failure = error
        throw error
    }
}
