/// An image's configuration (image-spec, config.md; Docker's image specification 1.2): what it runs on, what it runs, and
/// which layers it is made of.
public struct ImageConfig: Hashable, Sendable {
    /// When the builder says it was made, in RFC 3339; nil when it does not say.
    public var created: String?
    /// Who made it.
    public var author: String?
    /// The processor in Go's words; empty in images of builders that leave it out.
    public var architecture: String
    /// The operating system in Go's words; empty in images of builders that leave it out.
    public var os: String
    /// The variant of the architecture.
    public var variant: String?
    /// The version of the operating system.
    public var osVersion: String?
    /// Features of the operating system that the image needs.
    public var osFeatures: [String]?
    /// What a container of it runs.
    public var config: Execution
    /// The diffIDs of the layers, bottom first.
    public var diffIDs: [Digest]
    /// How each layer came to be, bottom first, with steps that made no layer.
    public var history: [HistoryEntry]

    /// Reads a config. Unknown fields are no error; layers that cannot be told are.
    public init(json: [UInt8]) throws(MalformedDocument) {
        self = try MalformedDocument.decode(ImageConfig.self, kind: Self.kind, from: json)
    }

    static let kind = "image config"

    /// What it runs on; nil when the config does not say.
    public var platform: Platform? {
        guard !os.isEmpty, !architecture.isEmpty else { return nil }
        return Platform(
            os: os,
            architecture: architecture,
            variant: variant,
            osVersion: osVersion,
            osFeatures: osFeatures
        )
    }

    /// The ChainID of all layers; nil for an image without any.
    public var chainID: Digest? { ChainID.of(diffIDs) }

    /// Checks that the config lists as many layers as its manifest.
    public func checkLayers(of manifest: Manifest) throws(MalformedDocument) {
        guard manifest.layers.count == diffIDs.count else {
            throw MalformedDocument(
                kind: Self.kind,
                path: "rootfs.diff_ids",
                problem: "it lists \(diffIDs.count) layers, but the manifest has \(manifest.layers.count)"
            )
        }
    }
}

extension ImageConfig {
    /// What a container of the image runs, and how.
    public struct Execution: Hashable, Sendable {
        /// `USER[:GROUP]` by name or number; empty for root.
        public var user = ""
        /// The program and its fixed arguments.
        public var entrypoint: [String] = []
        /// The program's default arguments, or the program itself where there is no entrypoint.
        public var cmd: [String] = []
        /// `NAME=VALUE`, in order.
        public var env: [String] = []
        /// The working directory; empty for `/`.
        public var workingDir = ""
        /// Ports it listens on, as `80/tcp`, sorted.
        public var exposedPorts: [String] = []
        /// Paths that hold data of each container, sorted.
        public var volumes: [String] = []
        /// Labels.
        public var labels: [String: String] = [:]
        /// The signal that asks it to stop; nil for SIGTERM.
        public var stopSignal: String?

        /// An image that says nothing.
        public init() {}

        /// The whole command line: entrypoint, then arguments.
        public var arguments: [String] { entrypoint + cmd }
    }

    /// A step of the build.
    public struct HistoryEntry: Hashable, Sendable, Codable {
        /// When, in RFC 3339.
        public var created: String?
        /// Who.
        public var author: String?
        /// The command.
        public var createdBy: String?
        /// A remark.
        public var comment: String?
        /// Whether the step made no layer.
        public var emptyLayer: Bool?

        enum CodingKeys: String, CodingKey {
            case created, author, comment
            case createdBy = "created_by"
            case emptyLayer = "empty_layer"
        }
    }
}
