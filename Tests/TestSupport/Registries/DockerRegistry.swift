import Host
public import OCI
public import SystemPackage

/// Debian's docker-registry on a port of its own.
public final class DockerRegistry: Sendable {
    /// Who is let in.
    public enum Access: Sendable {
        /// Everybody.
        case open
        /// Who knows the password.
        case basic(user: String, password: String)
        /// Who has a token of this server.
        case token(TokenServer)
    }

    /// How the registry is to be.
    public struct Options: Sendable {
        /// Who is let in.
        public var access = Access.open
        /// TLS with these certificates; nil for plain HTTP.
        public var certificates: Certificates?
        /// Whether clients have to show a certificate too.
        public var demandsClientCertificate = false
        /// A registry that this one is a pull-through cache of.
        public var upstream: String?

        /// An open registry on plain HTTP.
        public init() {}
    }

    private let folder: TemporaryDirectory
    private let process: ServerProcess
    private let options: Options

    /// `127.0.0.1:PORT`.
    public var host: String { "127.0.0.1:\(process.port)" }

    /// Starts an empty registry.
    public init(_ options: Options = Options()) async throws {
        self.options = options
        folder = try TemporaryDirectory("registry")
        let storage = folder.appending("storage")
        var lines = [
            "version: 0.1", "log: { accesslog: { disabled: false }, level: info }",
            "storage: { filesystem: { rootdirectory: \"\(storage)\" }, delete: { enabled: true } }", "http:",
            "  addr: \"127.0.0.1:0\"",
        ]
        if let certificates = options.certificates {
            var tls = "certificate: \"\(certificates.server)\", key: \"\(certificates.serverKey)\""
            if options.demandsClientCertificate { tls += ", clientcas: [\"\(certificates.authority)\"]" }
            lines.append("  tls: { \(tls) }")
        }
        if let upstream = options.upstream { lines.append("proxy: { remoteurl: \"\(upstream)\" }") }
        switch options.access {
        case .open: break
        case .basic(let user, let password):
            let line = try await check("htpasswd", ["-Bbn", user, password])
            let file = try folder.write(line, to: "htpasswd")
            lines.append("auth: { htpasswd: { realm: \"the tests, and no others\", path: \"\(file)\" } }")
        case .token(let server):
            lines.append(
                "auth: { token: { realm: \"\(server.realm)\", service: \"\(TokenServer.service)\", "
                    + "issuer: \"\(TokenServer.issuer)\", rootcertbundle: \"\(server.certificate)\" } }"
            )
        }
        let config = try folder.write(lines.joined(separator: "\n") + "\n", to: "config.yml")
        process = try await ServerProcess(
            "docker-registry",
            ["serve", config.string],
            marker: "listening on 127.0.0.1:"
        )
    }

    /// Copies an image of an OCI layout into the registry with skopeo, all platforms of it.
    ///
    /// - Parameter name: `REPOSITORY:TAG`.
    public func push(_ layout: TestLayout, _ tag: String, as name: String, arguments: [String] = [])
        async throws
    {
        var words = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", "--all"]
        switch options.access {
        case .open: break
        case .basic(let user, let password): words += ["--dest-creds", "\(user):\(password)"]
        case .token: words += ["--dest-creds", "\(TokenServer.user):\(TokenServer.password)"]
        }
        if options.demandsClientCertificate, let certificates = options.certificates {
            let folder = try TemporaryDirectory("skopeo")
            for (file, name) in [
                (certificates.authority, "ca.crt"), (certificates.client, "client.cert"),
                (certificates.clientKey, "client.key"),
            ] { try folder.write(try AtomicFile.read(file) ?? [], to: name) }
            words += ["--dest-cert-dir", folder.path.string]
            words += arguments + ["oci:\(layout.path):\(tag)", "docker://\(host)/\(name)"]
            try await check("skopeo", words)
            return
        }
        words += arguments + ["oci:\(layout.path):\(tag)", "docker://\(host)/\(name)"]
        try await check("skopeo", words)
    }

    /// The requests that it answered, as `GET /v2/… 200`, in the order of its log.
    public func requests() throws -> [String] {
        try accessLog().map { line in
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            let request = parts[1].split(separator: " ").prefix(2).joined(separator: " ")
            return "\(request) \(parts[2].split(separator: " ").first ?? "")"
        }
    }

    /// The lines of its log that tell of requests, in the combined log format:
    /// `127.0.0.1 - - [time] "GET /v2/ HTTP/1.1" 200 2 "" "agent"`.
    public func accessLog() throws -> [String] {
        try process.output().split(separator: "\n").map(String.init).filter { line in
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            return parts.count >= 3 && (parts[1].hasSuffix("HTTP/1.1") || parts[1].hasSuffix("HTTP/2.0"))
        }
    }

    /// Whether it has a blob on its own disk.
    public func holds(_ digest: Digest) throws -> Bool {
        let blobs = folder.appending("storage/docker/registry/v2/blobs/sha256")
        return try FileStatus.of(blobs.appending("\(digest.hex.prefix(2))/\(digest.hex)/data")) != nil
    }

    /// Kills it.
    public func stop() { process.stop() }
}

/// Gives out tokens that docker-registry believes (distribution, `docs/spec/auth/token.md`): everybody may pull from
/// `public/…`, the tests' user may do everything.
public final class TokenServer: Sendable {
    static let service = "test-registry"
    static let issuer = "test-issuer"
    /// Who may do everything.
    public static let user = "alice"
    /// The user's password.
    public static let password = "correct horse"

    private let folder: TemporaryDirectory
    private let process: ServerProcess

    /// The certificate that vouches for tokens.
    public let certificate: FilePath

    /// The URL that is asked.
    public var realm: String { "http://127.0.0.1:\(process.port)/token" }

    /// Starts a server whose tokens live for so many seconds.
    public init(lifetime: Int = 300) async throws {
        folder = try TemporaryDirectory("tokens")
        certificate = folder.appending("token.crt")
        let key = folder.appending("token.key").string
        try await check(
            "openssl",
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens",
                "-keyout", key,
                "-out", certificate.string,
            ]
        )
        process = try await ServerProcess(
            "python3",
            [
                pythonScript("token_server.py"), "--key", key, "--certificate", certificate.string,
                "--issuer",
                Self.issuer, "--service", Self.service, "--user", Self.user, "--password", Self.password,
                "--lifetime",
                "\(lifetime)",
            ],
            marker: "listening on 127.0.0.1:"
        )
    }

    /// What was asked of it, a line a request: who, and for what scope.
    public func requests() throws -> [String] {
        try process.output().split(separator: "\n").filter { $0.hasPrefix("token ") }.map(String.init)
    }
}

/// A script beside this file.
func pythonScript(_ name: String) -> String {
    FilePath(#filePath).removingLastComponent().appending(name).string
}
