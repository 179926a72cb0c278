/// A regular file that is being written.
struct FileInProgress {
    /// The part that is filled, if one is.
    var part: Part?
    /// What parts are made from.
    let template: Part
    var position: UInt64 = 0
    /// Of a file that is packed together with others: the bytes so far, unless they came in one piece.
    var gathered: [UInt8] = []
    /// Whether it is packed together with others.
    var isPacked = false

    var remaining: UInt64 { template.size - position }
}

extension ImageWriter {
    /// The smallest hole that makes an uncompressed file a chunk-based one.
    private static let leastHole: UInt64 = 1 << 20
    private static let largestSize: UInt64 = 16 << 40
    /// A smaller file takes no more slots with its bytes beside its inode than with what leads to them elsewhere.
    private static let leastPackedSize: UInt64 = 33

    /// Begins a regular file; its bytes follow by ``write(_:)`` and ``writeHole(_:)``, and ``endFile()`` ends it.
    ///
    /// - Parameters:
    ///   - size: the size in bytes, at most 16 TiB, as much as an image. No more and no less has to be written.
    ///   - isMostlyHoles: whether to leave its data uncompressed, so that its holes take nothing at all where the
    ///     guest's kernel knows holes.
    @discardableResult
    public func beginFile(
        named name: ArraySlice<UInt8>,
        in folder: Node,
        size: UInt64,
        isMostlyHoles: Bool = false,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        guard size <= Self.largestSize else {
            throw .unsupported("a file of \(size) bytes; the largest that an image holds has 16 TiB")
        }
        let (node, inode) = try add(.regular, name, folder, attributes)
        var template = part(inode, .regular, attributes)
        template.size = size
        template.mayShrink = options.compression != .none && !(isMostlyHoles && options.hasChunks)
        if options.packsTails && template.mayShrink {
            let xattrs = XattrTable.encodedSize(attributes.xattrs)
            template.tailRoom = CompressedItem.tailRoom(fileSize: size, xattrSize: xattrs)
        }
        var file = FileInProgress(template: template)
        file.isPacked =
            options.packsFiles && !isTakingPacked && template.mayShrink && size >= Self.leastPackedSize
            && size <= options.packedFileSize
        openFile = file
        return node
    }

    /// Appends bytes to the file that was begun.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(EROFSError) {
        try checkRoom(UInt64(bytes.count))
        if openFile?.isPacked == true { return try gather(bytes) }
        var rest = bytes
        while !rest.isEmpty {
            let count = try fill(UInt64(rest.count)) { UnsafeRawBufferPointer(rebasing: rest[..<$0]) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Appends zeros that take no, or next to no, space in the image.
    public func writeHole(_ count: UInt64) throws(EROFSError) {
        try checkRoom(count)
        guard let file = openFile else { return }
        if file.isPacked {
            openFile?.gathered.append(contentsOf: repeatElement(0, count: Int(count)))
            openFile?.position += count
            return
        }
        let isCompressed = file.template.mayShrink
        guard isCompressed || options.hasChunks else { return try writeZeros(count) }
        let unit =
            isCompressed ? UInt64(Batch.segmentSize) : 1 << ChunkSize.bits(fileSize: file.template.size)
        let end = file.position + count
        let first = align(file.position, to: unit)
        let last = !isCompressed && end == file.template.size ? end : end & ~(unit - 1)
        guard last > first, isCompressed || last - first >= Self.leastHole else {
            return try writeZeros(count)
        }
        try writeZeros(first - file.position)
        try closePart()
        var position = first
        while position < last {
            let length = isCompressed ? unit : last - first
            try writeHolePart(length)
            position += length
        }
        try writeZeros(end - last)
    }

    /// Ends the file that was begun.
    ///
    /// - Throws: ``EROFSError/misuse(_:)`` when bytes are missing.
    public func endFile() throws(EROFSError) {
        try checkUsable()
        guard let file = openFile else { throw .misuse("a file is ended that was not begun") }
        guard file.remaining == 0 else {
            throw .misuse("a file of \(file.template.size) bytes ended after \(file.position)")
        }
        if file.template.size == 0 {
            try pipeline.add(file.template, UnsafeRawBufferPointer(start: nil, count: 0), &tree)
        } else if !file.gathered.isEmpty {
            try withBytes(file.gathered) { (bytes) throws(EROFSError) in
                try pipeline.pack(file.template, bytes, &tree)
            }
        }
        openFile = nil
    }

    /// Takes bytes of a file that is packed together with others: all of it at once, or piece by piece.
    private func gather(_ bytes: UnsafeRawBufferPointer) throws(EROFSError) {
        guard let file = openFile, !bytes.isEmpty else { return }
        openFile?.position += UInt64(bytes.count)
        if UInt64(bytes.count) == file.template.size {
            try pipeline.pack(file.template, bytes, &tree)
        } else {
            openFile?.gathered.append(contentsOf: bytes)
        }
    }

    // MARK: Parts

    private func checkRoom(_ count: UInt64) throws(EROFSError) {
        try checkUsable()
        guard let file = openFile else { throw .misuse("bytes are written outside a file") }
        guard count <= file.remaining else {
            throw .misuse("a file of \(file.template.size) bytes was given \(count - file.remaining) more")
        }
    }

    private func writeZeros(_ count: UInt64) throws(EROFSError) {
        var rest = count
        while rest > 0 { rest -= UInt64(try fill(rest) { _ in nil }) }
    }

    /// Puts up to `count` bytes into the segment that is being filled, and passes it on when it is full.
    ///
    /// - Parameter source: the next bytes; nil for zeros.
    /// - Returns: how many were taken.
    private func fill(_ count: UInt64, _ source: (Int) -> UnsafeRawBufferPointer?) throws(EROFSError) -> Int {
        guard var file = openFile else { return 0 }
        if file.part == nil {
            var part = file.template
            part.isFirst = file.position == 0
            let segment = Int(min(file.remaining, UInt64(Batch.segmentSize)))
            part.inputOffset = try pipeline.reserve(segment, &tree)
            file.part = part
        }
        let room = Batch.segmentSize - Int(file.part?.length ?? 0)
        let taken = Int(min(count, UInt64(room)))
        pipeline.append(source(taken), count: taken)
        file.part?.length += UInt64(taken)
        file.position += UInt64(taken)
        let isFull = taken == room || file.remaining == 0
        openFile = file
        if isFull { try closePart() }
        return taken
    }

    private func closePart() throws(EROFSError) {
        guard var part = openFile?.part else { return }
        part.isLast = openFile?.remaining == 0
        openFile?.part = nil
        try pipeline.close(part, &tree)
    }

    private func writeHolePart(_ length: UInt64) throws(EROFSError) {
        guard let file = openFile else { return }
        var part = file.template
        part.isFirst = file.position == 0
        part.isHole = true
        part.length = length
        openFile?.position += length
        part.isLast = openFile?.remaining == 0
        try pipeline.close(part, &tree)
    }
}
