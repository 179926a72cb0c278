import Host

/// Looks at single places of a file; what is not there reads as nothing.
struct FileBytes {
    private let file: File
    /// The file's size in bytes.
    let size: UInt64

    init(_ file: File) throws(FileError) {
        self.file = file
        size = try file.status().size
    }

    /// The bytes at an offset, fewer at the file's end.
    func bytes(at offset: UInt64, _ count: Int) throws(FileError) -> [UInt8] {
        guard offset < size, count > 0 else { return [] }
        let wanted = Int(min(UInt64(count), size - offset))
        var found = [UInt8](repeating: 0, count: wanted)
        var position = 0
        while position < wanted {
            let outcome = found.withUnsafeMutableBytes { buffer in
                Result { () throws(FileError) in
                    try file.read(
                        into: UnsafeMutableRawBufferPointer(rebasing: buffer[position...]),
                        at: offset + UInt64(position)
                    )
                }
            }
            let read = try outcome.get()
            guard read > 0 else { break }
            position += read
        }
        return Array(found[..<position])
    }

    /// Whether the file has these bytes at an offset.
    func has(_ expected: some Collection<UInt8>, at offset: UInt64) throws(FileError) -> Bool {
        try bytes(at: offset, expected.count).elementsEqual(expected)
    }

    /// A little-endian number at an offset; 0 beyond the end.
    func number<Number: FixedWidthInteger>(_ type: Number.Type, at offset: UInt64) throws(FileError) -> Number
    {
        try bytes(at: offset, MemoryLayout<Number>.size).reversed().reduce(0) { $0 << 8 | Number($1) }
    }
}
