/// Bytes from an archive as text that is safe in a message or a log.
///
/// Control and formatting characters (which could end a line, or reverse its order) become `\u{N}`; in a name that
/// is not valid UTF-8 every byte above 127 becomes `\xNN`; a long name is cut in the middle.
public func printable(_ bytes: some Collection<UInt8>, limit: Int = 256) -> String {
    var text = ""
    if let valid = String(validating: bytes, as: UTF8.self) {
        for scalar in valid.unicodeScalars { text += escaped(scalar) }
    } else {
        for byte in bytes {
            text +=
                byte < 0x80
                ? escaped(Unicode.Scalar(byte)) : "\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16))"
        }
    }
    guard text.count > limit else { return text }
    return "\(text.prefix(limit / 2))…\(text.suffix(limit / 2))"
}

private func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
        "\\u{\(String(scalar.value, radix: 16))}"
    default: scalar == "\\" ? "\\\\" : String(scalar)
    }
}
