/// Why an image could not be resolved or fetched.
public struct RegistryError: Error, Sendable, CustomStringConvertible {
    /// A stable code, as receipts and status show it.
    public enum Code: String, Sendable, Codable, CaseIterable {
        /// The registry wants credentials, or refuses those it got (401).
        case unauthorized
        /// The registry knows us and says no (403).
        case forbidden
        /// The registry has no such repository, tag, manifest or blob (404).
        case notFound
        /// Too many requests (429).
        case rateLimited
        /// The registry has trouble (5xx), or answered what makes no sense.
        case unavailable
        /// The name leads nowhere, nobody listens, or the connection broke.
        case unreachable
        /// This machine has no network that leads there.
        case offline
        /// Nothing came for too long.
        case stalled
        /// A certificate is not trusted, or TLS failed otherwise.
        case tls
        /// Bytes differ from their digest.
        case digestMismatch
        /// There are more or fewer bytes than promised.
        case sizeMismatch
        /// A manifest, index or config breaks the rules of its format.
        case malformed
        /// A format that is not read: schema 1, an artifact, an encrypted or non-distributable layer.
        case unsupported
        /// The image does not exist for the platform.
        case noMatchingPlatform
        /// A limit was passed.
        case limitExceeded
        /// `registries.yaml` cannot be used.
        case configuration
        /// A file of credentials, or a program that holds them, cannot be used.
        case credentials
        /// Reading or writing the partial file failed.
        case io
        /// Asked to stop.
        case cancelled
    }

    /// The code.
    public var code: Code
    /// What happened, naming the reference, the host and what to do; free of credentials and signatures.
    public var message: String
    /// Whether trying again soon may succeed without anyone changing anything.
    public var isTransient: Bool
    /// How long the registry wants to be left alone; nil when it did not say.
    public var retryAfter: Duration?
    /// Whether no connection came about at all: trying again at once would cost the same time for nothing.
    var neverConnected = false

    /// Creates an error.
    public init(_ code: Code, _ message: String, isTransient: Bool = false, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.isTransient = isTransient
        self.retryAfter = retryAfter
    }

    /// The message.
    public var description: String { message }
}
