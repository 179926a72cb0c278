public import SystemPackage

/// Everything that a client can be told.
public struct ClientConfiguration: Sendable {
    /// `registries.yaml`; not being there is fine.
    public var registriesFile: FilePath
    /// Files of credentials, the first to be asked first.
    public var credentialFiles: [FilePath]
    /// Proxies.
    public var proxies: ProxySettings
    /// Blobs that are fetched at once, over all images.
    public var downloads: Int
    /// Blobs that are fetched from one registry at once.
    public var downloadsPerRegistry: Int
    /// Bytes of a download that are kept in memory for its reader.
    public var bufferBytes = 1 << 20
    /// Whether layers that a manifest says to fetch from elsewhere (`urls`) are fetched from there.
    public var allowsForeignLayers: Bool
    /// Layers that an image may have.
    public var imageLayers = 500
    /// Whether an image's variant with native EROFS layers is taken where an index has one.
    public var prefersNativeLayers = true
    /// How failed requests are repeated.
    public var retries = RetryPolicy()
    /// How long a connection may take to come about.
    public var connectTimeout = Duration.seconds(10)
    /// How long next to nothing may arrive.
    public var stallTimeout = Duration.seconds(30)
    /// How long a credential helper may take.
    public var helperTimeout = Duration.seconds(15)
    /// Folders that credential helpers are looked for in.
    public var helperFolders: [FilePath]
    /// What we call ourselves.
    public var userAgent: String
    /// Time and chance.
    public var time = TimeSource.system
    /// When blobs are fetched in several ranges at once.
    package var ranges = RangePolicy()
    /// Whether any network leads beyond this machine.
    var hasNetwork: @Sendable () -> Bool = { NetworkInterfaces.haveOne }

    /// Creates a configuration for a process with this environment, from which proxies and the places of credentials
    /// are read.
    public init(
        registriesFile: FilePath = "/etc/slipway/registries.yaml",
        environment: [String: String],
        downloads: Int = 6,
        downloadsPerRegistry: Int = 4,
        allowsForeignLayers: Bool = false,
        userAgent: String = "slipway"
    ) {
        self.registriesFile = registriesFile
        credentialFiles = CredentialPlaces.paths(environment: environment)
        proxies = ProxySettings(environment: environment)
        helperFolders = (environment["PATH"] ?? "").split(separator: ":").map { FilePath(String($0)) }
        self.downloads = downloads
        self.downloadsPerRegistry = downloadsPerRegistry
        self.allowsForeignLayers = allowsForeignLayers
        self.userAgent = userAgent
    }
}
