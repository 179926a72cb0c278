/// Numbers as tar headers write them.
enum TarNumber {
    /// A header field (ustar, POSIX.1-2017 pax, "ustar Interchange Format"): octal digits after spaces or NULs and up
    /// to a space, a NUL or the end; all blank is 0. Or, top bit set, GNU's base-256: two's complement, big-endian.
    /// Nil for anything else and for what does not fit.
    static func field(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        guard let first = bytes.first else { return nil }
        return first & 0x80 != 0 ? base256(bytes) : octal(bytes)
    }

    private static func octal(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        var index = 0
        while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0 { index += 1 }
        var value: UInt64 = 0
        while index < bytes.count {
            let byte = bytes[index]
            guard byte & 0xF8 == 0x30 else {
                guard byte == 0x20 || byte == 0 else { return nil }
                break
            }
            // Twelve digits at most: 36 bits.
            value = value << 3 | UInt64(byte & 7)
            index += 1
        }
        return Int64(exactly: value)
    }

    private static func base256(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        // Bit 6 of the first byte is the sign.
        let isNegative = bytes[0] & 0x40 != 0
        var value: Int64 = isNegative ? -1 : 0
        for (index, byte) in bytes.enumerated() {
            guard value >> 55 == 0 || value >> 55 == -1 else { return nil }
            value = value << 8 | Int64(index == 0 && !isNegative ? byte & 0x7F : byte)
        }
        return value
    }

    /// A decimal number without sign; nil for anything else and for what does not fit.
    static func decimal(_ bytes: some Collection<UInt8>) -> UInt64? {
        guard !bytes.isEmpty else { return nil }
        var value: UInt64 = 0
        for byte in bytes {
            guard (0x30...0x39).contains(byte) else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowAgain) = shifted.addingReportingOverflow(UInt64(byte - 0x30))
            if overflow || overflowAgain { return nil }
            value = sum
        }
        return value
    }

    /// A pax time: decimal seconds with a sign and any number of fractional digits, of which nine count.
    /// The nanoseconds go forward: -0.25 is -1 second and 750,000,000 ns.
    static func time(_ bytes: some BidirectionalCollection<UInt8>) -> (seconds: Int64, nanoseconds: UInt32)? {
        let isNegative = bytes.first == UInt8(ascii: "-")
        let digits = isNegative ? bytes.dropFirst() : bytes[...]
        let whole = digits.prefix { $0 != UInt8(ascii: ".") }
        let fraction = digits[whole.endIndex...].dropFirst()
        guard fraction.allSatisfy({ (0x30...0x39).contains($0) }), !(whole.isEmpty && fraction.isEmpty),
            let magnitude = whole.isEmpty ? 0 : decimal(whole), let seconds = Int64(exactly: magnitude)
        else { return nil }
        var nanoseconds: UInt32 = 0
        var scale: UInt32 = 100_000_000
        for byte in fraction.prefix(9) {
            nanoseconds += UInt32(byte - 0x30) * scale
            scale /= 10
        }
        guard isNegative else { return (seconds, nanoseconds) }
        return nanoseconds == 0 ? (-seconds, 0) : (-seconds - 1, 1_000_000_000 - nanoseconds)
    }
}
