public import Host

/// Why a stream or an archive cannot be read.
public struct ArchiveError: Error, Sendable, CustomStringConvertible {
    /// A stable code.
    public enum Code: String, Sendable, Codable, CaseIterable {
        /// The stream is neither a tar archive nor a known compression of one.
        case notATar
        /// The stream ends before its content does.
        case truncated
        /// The stream breaks the rules of its format.
        case invalid
        /// A checksum or digest differs from the content.
        case checksum
        /// Bytes follow the end of a compressed stream.
        case trailingGarbage
        /// A limit was passed.
        case limitExceeded
        /// A variant of the format that is not read.
        case unsupported
        /// The kernel failed to read.
        case io
        /// There is no room on the disk for what is read.
        case noSpace
        /// Asked to stop.
        case cancelled
    }

    /// The code.
    public var code: Code
    /// What happened, naming the stream, the entry and the byte offset where there are such, and what to do.
    public var message: String
    /// Whether trying again later may succeed without the input changing.
    public var isTransient: Bool

    /// Creates an error.
    public init(_ code: Code, _ message: String, isTransient: Bool = false) {
        self.code = code
        self.message = message
        self.isTransient = isTransient
    }

    /// A failed system call.
    public init(_ error: FileError) {
        self.init(.io, error.description, isTransient: error.isTransient)
    }

    /// The message.
    public var description: String { message }

    static func cancelled(_ name: String) -> ArchiveError {
        ArchiveError(.cancelled, "\(name): reading was cancelled")
    }
}
