public import Host

/// Why an image could not be written or read.
public enum EROFSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kernel refused an operation on the image file: no space, an I/O error.
    case file(FileError)
    /// The work was asked to stop.
    case cancelled
    /// A name that no EROFS folder can hold: the name's bytes, and what is wrong with it.
    case invalidName([UInt8], String)
    /// An entry was put into something that is not a folder, named here.
    case notADirectory([UInt8])
    /// An attribute, link target or device number that the format cannot express, in words.
    case unsupported(String)
    /// More than the caller allows, in words.
    case limitExceeded(String)
    /// The calls came in an order that makes no image: a write outside a file, a file shorter than announced.
    case misuse(String)
    /// An image that contradicts the format: what was found, and where.
    case corrupt(String)

    /// The error in words.
    public var description: String {
        switch self {
        case .file(let error): error.description
        case .cancelled: "cancelled"
        case .invalidName(let name, let reason): "the name \(quoted(name)) \(reason)"
        case .notADirectory(let name): "\(quoted(name)) is not a folder"
        case .unsupported(let what): what
        case .limitExceeded(let what): what
        case .misuse(let what): what
        case .corrupt(let what): "not a sound EROFS image: \(what)"
        }
    }
}

/// Bytes as text for a message: UTF-8 in quotes, at most 300 bytes of it, control characters escaped.
func quoted(_ bytes: [UInt8]) -> String {
    var text = "\""
    for scalar in String(decoding: bytes.prefix(300), as: UTF8.self).unicodeScalars {
        text += scalar.escaped(asASCII: false)
    }
    return text + (bytes.count > 300 ? "…\"" : "\"")
}
