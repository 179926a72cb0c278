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
        /// The image may not have this reference.
        case referenceNotAllowed
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
        /// A new blob did not pass the check before its commit.
        case checkFailed
        /// Not built, or not for this input.
        case unsupported
        /// The registry wants credentials, or refuses those it got (401).
        case unauthorized
        /// The registry knows us and says no (403).
        case forbidden
        /// The registry asks for fewer requests (429).
        case rateLimited
        /// The registry has trouble (5xx), or answered what makes no sense.
        case unavailable
        /// The registry's name leads nowhere, nobody listens, or the connection broke.
        case unreachable
        /// This machine has no network that leads to the registry.
        case offline
        /// Nothing came from the registry for too long.
        case stalled
        /// The registry's certificate is not trusted, or TLS failed otherwise.
        case tls
        /// A manifest, index or config breaks the rules of its format.
        case invalidManifest
        /// The image does not exist for the platform.
        case noMatchingPlatform
        /// The configuration of registries cannot be used.
        case configuration
        /// Credentials, or a program that holds them, cannot be used.
        case credentials
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
    /// How long whoever failed asks to be left alone; nil where it does not say.
    public var retryAfter: Duration?

    /// Creates an error.
    public init(_ code: Code, _ message: String, isTransient: Bool = false, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.isTransient = isTransient
        self.retryAfter = retryAfter
    }

    /// The same error with the name of what it is about in front.
    func located(in name: String) -> ImageError {
        var error = self
        error.message = "\(name): \(message)"
        return error
    }

    /// The message.
    public var description: String { message }
}
