public import Host
public import OCI
public import Store
public import SystemPackage

/// What to import and for whom.
public struct ImportRequest: Sendable {
    /// A tar file, or an OCI layout.
    public enum Input: Sendable {
        /// Opened when its turn comes; a symbolic link is refused.
        case path(FilePath)
        /// Open already, by someone who may read it.
        case open(File)
        /// A folder that is an OCI layout; its promised digest is that of its `index.json`.
        case layout(FilePath)
        /// A pipe, read once from front to back.
        case pipe(File)

        /// Where it lies, for messages.
        public var path: FilePath {
            switch self {
            case .path(let path), .layout(let path): path
            case .open(let file), .pipe(let file): file.path
            }
        }
    }

    /// The reference the image gets, as written; a short name is one of `localhost/`.
    public var name: String
    /// The tar files, bottom layer first.
    public var inputs: [Input]
    /// Digests promised for the files, by position; a difference refuses the import.
    public var promisedDigests: [Digest?]
    /// Which image of an archive of several: a reference, tag or digest in it.
    public var select: String?
    /// How the images get their references; nil: the one image is called ``name``, whatever an archive calls it.
    public var naming: ImportNaming?
    /// Who wants it.
    public var source: Source

    /// Creates a request.
    public init(
        name: String,
        inputs: [Input],
        promisedDigests: [Digest?] = [],
        select: String? = nil,
        naming: ImportNaming? = nil,
        source: Source
    ) {
        self.name = name
        self.inputs = inputs
        self.promisedDigests = promisedDigests
        self.select = select
        self.naming = naming
        self.source = source
    }

    /// Where the files lie, bottom layer first.
    public var files: [FilePath] { inputs.map(\.path) }

    /// Creates a request for files by their paths.
    public init(name: String, files: [FilePath], promisedDigests: [Digest?] = [], source: Source) {
        self.init(
            name: name,
            inputs: files.map { .path($0) },
            promisedDigests: promisedDigests,
            source: source
        )
    }
}

/// What importing an image came to, beyond the image itself.
public struct ImportReport: Sendable, Hashable, Codable {
    /// SHA-256 of the bytes of each input file, in order.
    public var inputDigests: [Digest]
    /// The references that were claimed for it.
    public var claimed: [String]
    /// Bytes read from the input.
    public var bytesRead: UInt64
    /// Bytes of the blobs that this import added; 0 when the store had all of them.
    public var bytesAdded: UInt64
    /// Bytes in the blobs that no file uses: data of entries that a later one replaced.
    public var deadBytes: UInt64
    /// What had to be left out, in words.
    public var warnings: [String]

    /// Creates a report.
    public init(
        inputDigests: [Digest],
        claimed: [String] = [],
        bytesRead: UInt64,
        bytesAdded: UInt64,
        deadBytes: UInt64,
        warnings: [String]
    ) {
        self.inputDigests = inputDigests
        self.claimed = claimed
        self.bytesRead = bytesRead
        self.bytesAdded = bytesAdded
        self.deadBytes = deadBytes
        self.warnings = warnings
    }
}
