/// Why an image operation failed.
public struct ImageError: Error, Sendable, CustomStringConvertible {
    /// A stable code, as receipts and status show it.
    public enum Code: String, Sendable, Codable, CaseIterable {
        /// The input is no tar and no known compression of one.
        case notATar
        /// The input ends before its content does.
        case truncated
        /// The input breaks the rules of its format, or names a path it must not.
        case invalidArchive
        /// A digest or size differs from the one promised.
        case digestMismatch
        /// The reference or name cannot be parsed.
        case invalidReference
        /// No such image, or a blob or boot file of it is missing.
        case notFound
        /// A digest prefix fits several images.
        case ambiguous
        /// Something still needs it.
        case inUse
        /// The file changed while it was read.
        case changedWhileReading
        /// A limit of the configuration was passed.
        case limitExceeded
        /// The disk is full.
        case noSpace
        /// Reading or writing failed otherwise.
        case io
        /// Not built, or not for this input.
        case unsupported
        /// Asked to stop.
        case cancelled
        /// The index failed.
        case store
    }

    /// The code.
    public var code: Code
    /// What happened, naming the file, the place in it, and what to do.
    public var message: String
    /// Whether trying again later may succeed without the input changing.
    public var isTransient: Bool

    /// Creates an error.
    public init(_ code: Code, _ message: String, isTransient: Bool = false) {
        self.code = code
        self.message = message
        self.isTransient = isTransient
    }

    /// The message.
    public var description: String { message }
}
