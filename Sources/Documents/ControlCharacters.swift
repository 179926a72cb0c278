extension Unicode.Scalar {
    /// Whether it is a control character: below a space, DEL, or of the C1 block (Unicode's category Cc).
    public var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }

    /// `U+001B`.
    var hexadecimal: String {
        let digits = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

extension String {
    /// The first control character that is not allowed.
    public func firstControlCharacter(allowing allowed: Set<Unicode.Scalar> = []) -> Unicode.Scalar? {
        unicodeScalars.first { $0.isControl && !allowed.contains($0) }
    }
}

extension Node {
    /// Refuses control characters in every string and key below this value.
    public func refuseControlCharacters(allowing allowed: Set<Unicode.Scalar> = []) throws(DocumentError) {
        switch kind {
        case .string(let value):
            guard let character = value.firstControlCharacter(allowing: allowed) else { return }
            throw error("the control character \(character.hexadecimal) must not stand here")
        case .array(let elements):
            for element in elements { try element.refuseControlCharacters(allowing: allowed) }
        case .object(let members):
            for member in members {
                if let character = member.key.firstControlCharacter() {
                    throw DocumentError(
                        file: file,
                        mark: member.keyMark,
                        keyPath: member.value.path,
                        message: "the control character \(character.hexadecimal) must not stand in a key"
                    )
                }
                try member.value.refuseControlCharacters(allowing: allowed)
            }
        case .null, .bool, .integer, .unsigned, .number: return
        }
    }
}
