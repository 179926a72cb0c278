import Documents
import Foundation
import Glibc

/// Writes data to stdout.
enum StandardOutput {
    /// Writes text as it is. A reader that went away ends the program quietly by SIGPIPE.
    static func write(_ text: String) { writeAll(Array(text.utf8), to: STDOUT_FILENO) }

    /// Writes bytes as they are.
    static func write(_ bytes: UnsafeRawBufferPointer) { writeAll(bytes, to: STDOUT_FILENO) }

    /// Writes a value as JSON with sorted keys.
    static func write(json value: some Encodable) throws {
        let encoder = JSONEncoder()
        let tree = try Document.parse(Array(encoder.encode(value)), file: "output", format: .json)
        write(json: tree.jsonValue)
    }

    /// Writes a value as JSON with sorted keys.
    static func write(json value: JSONValue) { writeAll(value.serialized(pretty: true), to: STDOUT_FILENO) }
}

/// Writes messages to stderr.
enum StandardError {
    static func write(_ text: String) { writeAll(Array(text.utf8), to: STDERR_FILENO) }

    /// Whether someone sits in front of it.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

private func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
    bytes.withUnsafeBytes { writeAll($0, to: descriptor) }
}

private func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let part = UnsafeRawBufferPointer(rebasing: rest)
        let count = Glibc.write(descriptor, part.baseAddress, part.count)
        if count < 0 && errno == EINTR { continue }
        // There is nobody left to tell.
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}
