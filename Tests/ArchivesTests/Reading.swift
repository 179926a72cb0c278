import Archives

/// Reads a whole archive through the stack under test.
func read(
    _ bytes: [UInt8],
    chunk: Int = .max,
    bufferSize: Int = 256 << 10,
    limits: TarLimits = .default
) throws(ArchiveError) -> (entries: [ReadEntry], end: EndOfArchive) {
    let source = DecompressingSource(MemorySource(bytes, chunk: chunk), name: "test.tar")
    let reader = TarReader(source, name: "test.tar", limits: limits, bufferSize: bufferSize)
    var entries: [ReadEntry] = []
    while let entry = try reader.next() { entries.append(try describe(entry, reader)) }
    try reader.drain()
    return (entries, reader.endOfArchive)
}

/// Reads an entry's content and puts all of it into comparable form.
func describe(_ entry: TarEntry, _ reader: TarReader) throws(ArchiveError) -> ReadEntry {
    var result = ReadEntry(
        path: entry.path,
        kind: "\(entry.kind)",
        permissions: entry.permissions,
        userID: Int64(entry.userID),
        groupID: Int64(entry.groupID),
        seconds: entry.modifiedSeconds,
        nanoseconds: entry.modifiedNanoseconds
    )
    result.linkTarget = entry.linkTarget
    if entry.kind == .characterDevice || entry.kind == .blockDevice {
        result.device = [entry.deviceMajor, entry.deviceMinor]
    }
    for (name, value) in entry.xattrs { result.xattrs[name] = value }
    while let piece = try reader.nextPiece() {
        switch piece {
        case .data(let bytes): result.content += bytes
        case .hole(let count): result.content += [UInt8](repeating: 0, count: Int(count))
        }
    }
    return result
}

/// The error that reading gives; nil when there is none.
func failure(reading bytes: [UInt8], limits: TarLimits = .default) -> ArchiveError? {
    do {
        _ = try read(bytes, limits: limits)
        return nil
    } catch { return error }
}

/// All bytes of a source.
func readAll(_ source: any ByteSource, bufferSize: Int = 64 << 10) throws(ArchiveError) -> [UInt8] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
    defer { buffer.deallocate() }
    var bytes: [UInt8] = []
    while true {
        let count = try source.read(into: buffer)
        if count == 0 { return bytes }
        bytes += buffer.prefix(count)
    }
}
