import CCurl

/// An absolute `http` or `https` URL, taken apart by the parser of the library that will ask for it, so that what was
/// checked is what is asked. User names and fragments are dropped: credentials never travel in a URL.
struct HTTPURL: Hashable, Sendable {
    /// `http` or `https`.
    let scheme: String
    /// In lower case; an IPv6 address in its brackets.
    let host: String
    /// The port, written or implied.
    let port: Int
    /// From the first slash on, `/` at least.
    let path: String
    /// What follows the question mark.
    let query: String?
    /// Whether the text had a user name or password, which were dropped.
    let hadUserInfo: Bool

    /// Parses a URL, relative to another if one is given; nil for what is no URL or of another scheme.
    init?(_ text: String, relativeTo base: HTTPURL? = nil) {
        guard let handle = curl_url() else { return nil }
        defer { curl_url_cleanup(handle) }
        if let base, curl_url_set(handle, CURLUPART_URL, base.text, 0) != CURLUE_OK { return nil }
        guard curl_url_set(handle, CURLUPART_URL, text, 0) == CURLUE_OK else { return nil }
        func part(_ name: CURLUPart, _ flags: UInt32 = 0) -> String? {
            var value: UnsafeMutablePointer<CChar>?
            guard curl_url_get(handle, name, &value, flags) == CURLUE_OK, let value else { return nil }
            defer { curl_free(value) }
            return String(cString: value)
        }
        guard let scheme = part(CURLUPART_SCHEME)?.lowercased(), scheme == "http" || scheme == "https",
            let host = part(CURLUPART_HOST)?.lowercased(), !host.isEmpty,
            let port = part(CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT)).flatMap(Int.init)
        else { return nil }
        self.scheme = scheme
        self.host = host
        self.port = port
        path = part(CURLUPART_PATH) ?? "/"
        query = part(CURLUPART_QUERY)
        hadUserInfo = part(CURLUPART_USER) != nil || part(CURLUPART_PASSWORD) != nil
    }

    private init(_ url: HTTPURL, path: String, query: String?) {
        scheme = url.scheme
        host = url.host
        port = url.port
        hadUserInfo = url.hadUserInfo
        self.path = path
        self.query = query
    }

    /// This URL with another path and query, both already encoded.
    func with(path: String, query: String? = nil) -> HTTPURL { HTTPURL(self, path: path, query: query) }

    /// `host`, or `host:port` where the port is not the scheme's own.
    var authority: String { port == (scheme == "https" ? 443 : 80) ? host : "\(host):\(port)" }

    /// Scheme, host and port: who is spoken to (RFC 6454).
    var origin: String { "\(scheme)://\(authority)" }

    /// The whole URL, as it is asked for.
    var text: String { origin + path + (query.map { "?\($0)" } ?? "") }

    /// The URL for messages: a query may hold a signature that opens the blob to whoever has it.
    var redacted: String { origin + path + (query == nil ? "" : "?…") }

    /// Whether it leads to this machine only.
    var isLoopback: Bool { Self.isLoopback(host) }

    /// Whether a host name or address means this machine only (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3; RFC 6761, 6.3).
    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host.hasSuffix(".localhost") || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
