public import Documents
import OCI

/// Mirrors and hosts as `registries.yaml` has them, in the form of k3s and rke2
/// (docs.k3s.io, "Private Registry Configuration").
public struct RegistriesConfiguration: Sendable {
    struct Mirror: Sendable {
        var endpoints: [HTTPURL] = []
        var rewrites: [RewriteRule] = []
    }

    var mirrors: [String: Mirror] = [:]
    var hosts: [String: HostSettings] = [:]

    /// No mirrors, no settings.
    public init() {}

    /// Reads the file's content.
    ///
    /// - Parameter file: the name that errors carry.
    public init(yaml: [UInt8], file: String) throws(DocumentError) {
        let root = try Document.parse(yaml, file: file, format: .yaml)
        guard !root.isNull else { return }
        try root.refuseControlCharacters()
        var object = try root.object()
        if let node = object.optional("configs") {
            for member in try node.members() {
                let key = try Self.hostKey(member)
                hosts[key] = try Self.settings(member.value, key: key)
            }
        }
        if let node = object.optional("mirrors") {
            for member in try node.members() {
                mirrors[try Self.hostKey(member)] = try mirror(member.value)
            }
        }
        try object.finish()
    }

    /// The places to ask for a repository, in order: its mirrors, then its registry.
    ///
    /// - Throws: a text that says which rewrite made no repository of it.
    func endpoints(for reference: Reference) throws(UnusableRewrite) -> [Endpoint] {
        let mirror = mirrors[reference.domain.lowercased()] ?? mirrors["*"] ?? Mirror()
        var endpoints: [Endpoint] = []
        let last = defaultEndpoint(of: reference)
        for base in mirror.endpoints where base != last.base {
            endpoints.append(
                Endpoint(
                    base: base,
                    repository: try Self.rewritten(reference.repository, by: mirror.rewrites),
                    namespace: reference.domain,
                    tls: tls(for: base)
                )
            )
        }
        return endpoints + [last]
    }

    private func defaultEndpoint(of reference: Reference) -> Endpoint {
        let host = Endpoint.defaultHost(of: reference.domain)
        // A reference's grammar makes it a host; should it be none that a URL can name, no resolver knows it either.
        let base = url(host) ?? HTTPURL("https://invalid.invalid/v2")
        guard let base else { preconditionFailure("libcurl cannot parse a plain URL: out of memory") }
        return Endpoint(base: base, repository: reference.repository, namespace: nil, tls: tls(for: base))
    }

    /// The URL of an endpoint as it is written: with a scheme, or without one when it is HTTPS, or HTTP on a port of
    /// this machine. An empty path is `/v2`, any other is taken as it is.
    private func url(_ endpoint: String) -> HTTPURL? {
        if endpoint.contains("://") {
            guard let url = HTTPURL(endpoint), url.query == nil else { return nil }
            return url.path == "/" ? url.with(path: "/v2") : url
        }
        guard let secure = HTTPURL("https://\(endpoint)"), secure.query == nil else { return nil }
        let isPlain =
            secure.isLoopback && secure.port != 443 && hosts[secure.authority]?.tls == nil
        let url = isPlain ? HTTPURL("http://\(endpoint)") : secure
        return url?.path == "/" ? url?.with(path: "/v2") : url
    }

    /// Settings of the host that a URL leads to.
    func settings(for url: HTTPURL) -> HostSettings? {
        for key in Self.keys(of: url) { if let found = hosts[key] { return found } }
        return nil
    }

    /// TLS towards the host that a URL leads to; `"*"` stands for those that have no settings of their own.
    func tls(for url: HTTPURL) -> TLSSettings { settings(for: url)?.tls ?? hosts["*"]?.tls ?? TLSSettings() }

    /// How the host of a URL may be written in `configs`.
    static func keys(of url: HTTPURL) -> [String] {
        var keys = [url.authority, "\(url.host):\(url.port)"]
        if url.host == "registry-1.docker.io" || url.host == "index.docker.io" {
            keys += ["docker.io", "registry-1.docker.io", "index.docker.io"]
        }
        return keys
    }

    private static func rewritten(_ repository: String, by rules: [RewriteRule]) throws(UnusableRewrite)
        -> String
    {
        for rule in rules {
            guard let name = rule.apply(to: repository), name != repository else { continue }
            guard (try? Reference(parsing: "registry.invalid/\(name)"))?.repository == name else {
                throw UnusableRewrite(from: repository, to: name)
            }
            return name
        }
        return repository
    }
}

/// A rewrite that makes of a repository what is none.
struct UnusableRewrite: Error {
    let from: String
    let to: String
}

extension RegistriesConfiguration {
    private static func hostKey(_ member: Node.Member) throws(DocumentError) -> String {
        let key = member.key.lowercased()
        if key == "*" { return key }
        guard !key.contains("/"), !key.contains("@"), HTTPURL("https://\(key)") != nil else {
            throw DocumentError(
                file: member.value.file,
                mark: member.keyMark,
                keyPath: member.value.path,
                message: "expected a host such as registry.example:5000, without scheme and path, or \"*\""
            )
        }
        return key
    }

    private func mirror(_ node: Node) throws(DocumentError) -> Mirror {
        var mirror = Mirror()
        // k3s lets a mirror be written without anything, for its embedded registry.
        guard !node.isNull else { return mirror }
        var object = try node.object()
        if let list = object.optional("endpoint") {
            for element in try list.array() {
                let text = try element.string()
                guard let url = url(text) else {
                    throw element.error(
                        "'\(text)' is no endpoint: write https://HOST, http://HOST:PORT or HOST:PORT"
                    )
                }
                guard !url.hadUserInfo else {
                    throw element.error(
                        "credentials do not belong into a URL: write them under configs, auth"
                    )
                }
                mirror.endpoints.append(url)
            }
        }
        if let rules = object.optional("rewrite") {
            for member in try rules.members() { mirror.rewrites.append(try RewriteRule(member)) }
        }
        try object.finish()
        return mirror
    }

    private static func settings(_ node: Node, key: String) throws(DocumentError) -> HostSettings {
        var settings = HostSettings()
        guard !node.isNull else { return settings }
        var object = try node.object()
        if let auth = object.optional("auth") {
            guard key != "*" else {
                throw auth.error("credentials for every host would go to strangers: name the host")
            }
            settings.credentials = try credentials(auth, key: key)
        }
        if let tls = object.optional("tls") { settings.tls = try Self.tls(tls) }
        try object.finish()
        return settings
    }

    private static func credentials(_ node: Node, key: String) throws(DocumentError) -> Credentials? {
        var object = try node.object()
        let user = try object.optional("username")?.string() ?? ""
        let password = try object.optional("password")?.string() ?? ""
        let encoded = object.optional("auth")
        let token = try object.optional("identity_token")?.string() ?? ""
        try object.finish()
        let origin = "\(node.file) (configs, \(key))"
        if !token.isEmpty { return Credentials(secret: .identityToken(token, user: user), origin: origin) }
        if let encoded {
            guard let (user, password) = CredentialFile.userAndPassword(try encoded.string()) else {
                throw encoded.error("expected the base64 of USER:PASSWORD")
            }
            return Credentials(secret: .password(user: user, password: password), origin: origin)
        }
        guard !user.isEmpty || !password.isEmpty else { return nil }
        guard !user.isEmpty, !password.isEmpty else {
            throw node.error("username and password belong together: one of them is missing")
        }
        return Credentials(secret: .password(user: user, password: password), origin: origin)
    }

    private static func tls(_ node: Node) throws(DocumentError) -> TLSSettings {
        var object = try node.object()
        var settings = TLSSettings()
        func path(_ node: Node?) throws(DocumentError) -> String? {
            guard let node else { return nil }
            let text = try node.string()
            guard text.hasPrefix("/") else { throw node.error("expected an absolute path, found '\(text)'") }
            return text
        }
        settings.caFile = try path(object.optional("ca_file"))
        settings.certFile = try path(object.optional("cert_file"))
        settings.keyFile = try path(object.optional("key_file"))
        settings.skipVerify = try object.optional("insecure_skip_verify")?.bool() ?? false
        try object.finish()
        guard (settings.certFile == nil) == (settings.keyFile == nil) else {
            throw node.error("cert_file and key_file belong together: one of them is missing")
        }
        return settings
    }
}
