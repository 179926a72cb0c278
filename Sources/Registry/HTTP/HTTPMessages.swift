/// A request, with everything that decides how it travels.
struct HTTPRequest: Sendable {
    enum Method: String, Sendable { case get = "GET", head = "HEAD", post = "POST" }

    var method = Method.get
    var url: HTTPURL
    /// Names and values; `Authorization` among them goes to the origin of `url` and, as redirects are not followed
    /// here, nowhere else.
    var headers: [(name: String, value: String)] = []
    /// A form, for POST.
    var body: [UInt8] = []
    /// Who is trusted, and who we say we are.
    var tls = TLSSettings()
    /// The proxy's URL; nil goes straight.
    var proxy: String?
    /// Whether HTTP/2 may be spoken where the server offers it.
    var mayUseHTTP2 = true
    /// How long things may take.
    var timeouts = HTTPTimeouts()
    /// The longest body that is kept in memory; a longer one fails.
    var bodyLimit = 64 << 10
}

/// How long a request may take.
struct HTTPTimeouts: Sendable {
    /// Until the connection stands: name, TCP and TLS.
    var connect = Duration.seconds(10)
    /// How long less than ``minimumSpeed`` may arrive. A transfer that is held up by its reader does not count.
    var stall = Duration.seconds(30)
    /// Bytes a second.
    var minimumSpeed = 1024
    /// The whole exchange; nil for no limit.
    var total: Duration?
}

/// TLS as `registries.yaml` sets it for a host.
struct TLSSettings: Hashable, Sendable {
    /// PEM certificates that are trusted besides the system's.
    var caFile: String?
    /// Our certificate and its key, PEM.
    var certFile: String?
    var keyFile: String?
    /// Whether any certificate is believed.
    var skipVerify = false
}

/// Status and headers of a response.
struct HTTPHead: Sendable {
    var status: Int
    var headers = HTTPHeaders()
}

/// A whole response.
struct HTTPResponse: Sendable {
    var head: HTTPHead
    /// Empty where a sink took it.
    var body: [UInt8] = []
    /// Who gave it, after redirects; nil until somebody followed them.
    var url: HTTPURL?
    var status: Int { head.status }
    var headers: HTTPHeaders { head.headers }
}

/// Header fields; names compare without case (RFC 9110, 5.1).
struct HTTPHeaders: Sendable {
    private var fields: [(name: String, value: String)] = []

    mutating func append(_ name: String, _ value: String) { fields.append((name.lowercased(), value)) }

    /// The first field of a name in lower case.
    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    /// All fields of a name in lower case.
    func all(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// The length of the body, where the server says it.
    var contentLength: UInt64? { self["content-length"].flatMap { UInt64($0) } }
}

/// Takes a body as it arrives. Called on the transport's thread only, which it must not block.
protocol BodySink: AnyObject, Sendable {
    /// Told before anything else how to ask for more after ``Reception/full``.
    func attach(resume: @escaping @Sendable () -> Void)
    /// Whether the body of this response is for the sink; otherwise it is kept for the caller.
    func accepts(_ head: HTTPHead) -> Bool
    /// Takes all of the bytes or none.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Reception
}

/// What became of bytes that were offered to a sink.
enum Reception { case taken, full, refused }
