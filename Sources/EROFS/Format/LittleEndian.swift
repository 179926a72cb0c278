extension UnsafeMutableRawPointer {
    /// Copies bytes to `offset`.
    func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        if let source = bytes.baseAddress { (self + offset).copyMemory(from: source, byteCount: bytes.count) }
    }

    /// Copies bytes to `offset`.
    func store(_ bytes: [UInt8], at offset: Int) { bytes.withUnsafeBytes { store($0, at: offset) } }

    /// Stores an integer in little-endian order, aligned or not.
    @inline(__always)
    func store<Number: FixedWidthInteger & BitwiseCopyable>(_ value: Number, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: Number.self)
    }
}

extension UnsafeRawBufferPointer {
    /// The little-endian integer at `offset`, or nil where the buffer ends before it does.
    @inline(__always)
    func integer<Number: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int,
        as type: Number.Type = Number.self
    ) -> Number? {
        guard offset >= 0, offset <= count - MemoryLayout<Number>.size else { return nil }
        return Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    /// The bytes from `offset`, `length` of them, or nil where the buffer is shorter.
    func slice(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer? {
        guard offset >= 0, length >= 0, offset <= count, length <= count - offset else { return nil }
        return UnsafeRawBufferPointer(rebasing: self[offset..<offset + length])
    }
}
