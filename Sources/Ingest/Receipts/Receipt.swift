import Foundation
public import OCI
public import Store

/// What became of an item, as the files `receipts/inbox/ITEM.json` and `receipts/queue/REF.json` say it.
public struct Receipt: Sendable, Hashable, Codable {
    /// A layer of the image.
    public struct Layer: Sendable, Hashable, Codable {
        /// SHA-256 of the uncompressed tar.
        public var diffID: Digest
        /// The blob's key.
        public var key: LayerKey
        /// The blob's size in bytes.
        public var bytes: UInt64

        /// Creates a layer.
        public init(diffID: Digest, key: LayerKey, bytes: UInt64) {
            self.diffID = diffID
            self.key = key
            self.bytes = bytes
        }
    }

    /// An image of an archive of several.
    public struct Image: Sendable, Hashable, Codable {
        /// The image's digest.
        public var digest: Digest
        /// The references that the item claims for it.
        public var references: [String]
        /// Its layers, bottom first.
        public var layers: [Layer]

        /// Creates an image.
        public init(digest: Digest, references: [String], layers: [Layer]) {
            self.digest = digest
            self.references = references
            self.layers = layers
        }
    }

    /// How many bytes it took.
    public struct Bytes: Sendable, Hashable, Codable {
        /// Of the item's files, or of the image's layers as the registry has them.
        public var input: UInt64
        /// Read from them; of layers, what came over the network.
        public var read: UInt64?
        /// Of the blobs that the store did not have before.
        public var added: UInt64?
        /// In the blobs, but part of no file: data of entries that a later one replaced.
        public var dead: UInt64?

        /// Creates a value.
        public init(input: UInt64, read: UInt64? = nil, added: UInt64? = nil, dead: UInt64? = nil) {
            self.input = input
            self.read = read
            self.added = added
            self.dead = dead
        }
    }

    /// When the last try ran.
    public struct Timings: Sendable, Hashable, Codable {
        /// When it began (RFC 3339, UTC).
        public var started: String
        /// When it ended; nil while it runs.
        public var finished: String?
        /// How long it took, in seconds.
        public var seconds: Double?

        /// Creates a value.
        public init(started: String, finished: String? = nil, seconds: Double? = nil) {
            self.started = started
            self.finished = finished
            self.seconds = seconds
        }

        /// The same of what began at `start` and ends now.
        func ended(since start: ContinuousClock.Instant) -> Timings {
            let milliseconds = ((ContinuousClock.now - start) / .milliseconds(1)).rounded()
            return Timings(started: started, finished: Receipt.text(Date()), seconds: milliseconds / 1000)
        }
    }

    /// The version of this form.
    public static let schemaVersion = 1

    /// The version of the form: ``schemaVersion``.
    public var schema = Self.schemaVersion
    /// The item's name; of a line of the queue, its reference.
    public var item: String
    /// Where it stands.
    public var state: SourceRecord.State
    /// A stable code of what is wrong.
    public var errorCode: String?
    /// What is wrong in words, or what is waited for.
    public var message: String?
    /// The references it claims.
    public var references: [String]
    /// The image's digest.
    public var digest: Digest?
    /// What the reference means at the registry: the digest of an index, or the image's own; nil for what is no
    /// reference to a registry.
    public var resolved: Digest?
    /// The image's layers, bottom first.
    public var layers: [Layer]
    /// An archive of several images: all of them, of which `digest` and `layers` tell the first.
    public var images: [Image]?
    /// Another item with the same image: `inbox/web.tar`. Both pin it.
    public var duplicateOf: String?
    /// How many bytes it took.
    public var bytes: Bytes
    /// When the last try ran.
    public var timings: Timings?
    /// What had to be left out or looks wrong.
    public var warnings: [String]
    /// Tries so far.
    public var attempts: Int
    /// When it will be tried again (RFC 3339, UTC), or when a moved tag is looked for; nil: not before the item
    /// changes.
    public var nextTry: String?
    /// Whether the file was removed from the inbox because its image is safe in the store.
    public var removed: Bool?

    /// Creates a receipt.
    public init(
        item: String,
        state: SourceRecord.State,
        errorCode: String? = nil,
        message: String? = nil,
        references: [String] = [],
        digest: Digest? = nil,
        resolved: Digest? = nil,
        layers: [Layer] = [],
        bytes: Bytes,
        timings: Timings? = nil,
        warnings: [String] = [],
        attempts: Int = 0,
        nextTry: String? = nil,
        removed: Bool? = nil
    ) {
        self.item = item
        self.state = state
        self.errorCode = errorCode
        self.message = message
        self.references = references
        self.digest = digest
        self.resolved = resolved
        self.layers = layers
        self.bytes = bytes
        self.timings = timings
        self.warnings = warnings
        self.attempts = attempts
        self.nextTry = nextTry
        self.removed = removed
    }
}
