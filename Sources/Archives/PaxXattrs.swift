/// Extended attributes from pax records.
///
/// `SCHILY.xattr.NAME` has the value as it is (in the name GNU tar writes `=` as `%3D` and `%` as `%25`);
/// `LIBARCHIVE.xattr.NAME` has the name URL-encoded and the value in base64. bsdtar writes both, and the first counts.
struct PaxXattrs: Sendable {
    private(set) var list: [(name: [UInt8], value: [UInt8])] = []
    /// Which of `list` came only as libarchive writes them.
    private var fromLibarchive: Set<[UInt8]> = []
    private var bytes = 0

    init() {}

    /// Adds a record's attribute; `inherited` are those of global headers, which an empty value removes.
    mutating func add(_ record: PaxRecord, inherited: PaxXattrs, limits: TarLimits) throws(TarFailure) {
        let isSchily = record.key.starts(with: PaxRecords.schily)
        let encodedName = record.key.dropFirst((isSchily ? PaxRecords.schily : PaxRecords.libarchive).count)
        let name = isSchily ? Self.gnuDecoded(encodedName) : Self.percentDecoded(encodedName)
        guard !name.isEmpty, name.count <= 255, !name.contains(0) else {
            throw TarFailure(.invalid, "its xattr '\(printable(name))' has a name that Linux does not take")
        }
        let position = list.firstIndex { $0.name == name }
        if !isSchily, position != nil, !fromLibarchive.contains(name) { return }
        if record.value.isEmpty, let position, inherited.list.contains(where: { $0.name == name }) {
            list.remove(at: position)
            return
        }
        let value: [UInt8]
        if isSchily {
            value = Array(record.value)
            fromLibarchive.remove(name)
        } else {
            guard let decoded = Self.base64Decoded(record.value) else {
                throw TarFailure(.invalid, "its xattr '\(printable(name))' is not base64")
            }
            value = decoded
            fromLibarchive.insert(name)
        }
        bytes += name.count + value.count
        guard value.count <= limits.xattrValueBytes, bytes <= limits.xattrTotalBytes else {
            throw TarFailure(
                .limitExceeded,
                "its xattr '\(printable(name))' has \(value.count) bytes; \(limits.xattrValueBytes) each and "
                    + "\(limits.xattrTotalBytes) in all are allowed"
            )
        }
        if let position { list[position].value = value } else { list.append((name, value)) }
    }

    private static func gnuDecoded(_ name: ArraySlice<UInt8>) -> [UInt8] {
        decoded(name) { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "%") }
    }

    private static func percentDecoded(_ name: ArraySlice<UInt8>) -> [UInt8] { decoded(name) { _ in true } }

    /// Replaces `%XX` where `isWanted` says so of the byte it stands for; any other `%` stays.
    private static func decoded(_ name: ArraySlice<UInt8>, where isWanted: (UInt8) -> Bool) -> [UInt8] {
        var result: [UInt8] = []
        var rest = name
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let high = hexDigit(rest.first),
                let low = hexDigit(rest.dropFirst().first),
                isWanted(high << 4 | low)
            {
                result.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return result
    }

    private static func hexDigit(_ byte: UInt8?) -> UInt8? {
        switch byte {
        case .some(let byte) where (0x30...0x39).contains(byte): byte - 0x30
        case .some(let byte) where (0x41...0x46).contains(byte & 0xDF): (byte & 0xDF) - 0x37
        default: nil
        }
    }

    /// RFC 4648 base64, padded or not.
    private static func base64Decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var digits = text
        while digits.last == UInt8(ascii: "=") { digits = digits.dropLast() }
        guard digits.count % 4 != 1 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(digits.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for byte in digits {
            let digit: UInt32
            switch byte {
            case 0x41...0x5A: digit = UInt32(byte) - 0x41
            case 0x61...0x7A: digit = UInt32(byte) - 0x61 + 26
            case 0x30...0x39: digit = UInt32(byte) - 0x30 + 52
            case UInt8(ascii: "+"): digit = 62
            case UInt8(ascii: "/"): digit = 63
            default: return nil
            }
            bits = bits << 6 | digit
            count += 6
            if count >= 8 {
                count -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return result
    }
}
