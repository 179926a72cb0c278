/// CRC-32C (Castagnoli, RFC 3720 B.4) as EROFS and ext4 use it in their superblocks: seeded with ones, not inverted at
/// the end.
public enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : (value >> 1) ^ 0x82F6_3B78 }
    }

    /// The checksum of some bytes; `seed` is that of the bytes before them.
    public static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = .max) -> UInt32 {
        bytes.reduce(seed) { value, byte in (value >> 8) ^ table[Int((value ^ UInt32(byte)) & 0xFF)] }
    }
}
