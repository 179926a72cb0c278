import Documents
import Host
import OCI
import SystemPackage

/// A file of credentials as Docker (`config.json`) and podman (containers-auth.json(5)) write it.
struct CredentialFile: Sendable {
    /// What is found in a file for a repository.
    enum Answer: Sendable {
        /// Credentials in the file itself.
        case credentials(Credentials)
        /// The program `docker-credential-NAME` has them.
        case helper(String)
    }

    private let path: String
    private let entries: [String: JSONValue]
    private let helpers: [String: String]
    private let store: String?

    /// Reads a file; nil when it is not there.
    ///
    /// - Throws: ``RegistryError`` naming the file and the place in it.
    init?(_ path: FilePath) throws(RegistryError) {
        do {
            guard let file = try SmallFile(path) else { return nil }
            let bytes = try file.read()
            self.path = path.string
            let root = bytes.isEmpty ? nil : try Document.parse(bytes, file: path.string, format: .json)
            var object = try root?.object()
            var entries: [String: JSONValue] = [:]
            for member in try object?.optional("auths")?.members() ?? [] {
                entries[Self.normalized(member.key)] = member.value.jsonValue
            }
            var helpers: [String: String] = [:]
            for member in try object?.optional("credHelpers")?.members() ?? [] {
                helpers[Self.normalized(member.key)] = try member.value.string()
            }
            self.entries = entries
            self.helpers = helpers
            store = try object?.optional("credsStore")?.string()
        } catch { throw RegistryError(.credentials, "\(error)") }
    }

    /// What the file has for a repository at a host: the program for that host, else the most specific entry, else
    /// the program for all.
    func answer(hosts: [String], repository: String) -> Answer? {
        for host in hosts { if let helper = helpers[host] { return .helper(helper) } }
        for host in hosts {
            var key = "\(host)/\(repository)"
            while true {
                if let entry = entries[key], let credentials = credentials(entry) {
                    return .credentials(credentials)
                }
                guard let slash = key.lastIndex(of: "/") else { break }
                key = String(key[..<slash])
            }
        }
        return store.flatMap { $0.isEmpty ? nil : .helper($0) }
    }

    private func credentials(_ entry: JSONValue) -> Credentials? {
        func text(_ key: String) -> String { entry[key]?.string ?? "" }
        var user = text("username")
        var password = text("password")
        if let (name, secret) = Self.userAndPassword(text("auth")) { (user, password) = (name, secret) }
        if !text("identitytoken").isEmpty {
            return Credentials(secret: .identityToken(text("identitytoken"), user: user), origin: path)
        }
        if !text("registrytoken").isEmpty {
            return Credentials(secret: .registryToken(text("registrytoken")), origin: path)
        }
        guard !user.isEmpty, !password.isEmpty else { return nil }
        return Credentials(secret: .password(user: user, password: password), origin: path)
    }

    /// A key without the scheme and the version that old Docker clients wrote: `https://index.docker.io/v1/`.
    private static func normalized(_ key: String) -> String {
        var text = key[...]
        if let scheme = text.firstRange(of: "://") { text = text[scheme.upperBound...] }
        while text.hasSuffix("/") { text = text.dropLast() }
        for version in ["/v1", "/v2"] where text.hasSuffix(version) { text = text.dropLast(version.count) }
        // The host compares without case, a repository has no upper case.
        return text.lowercased()
    }

    /// What `auth` holds: the base 64 of `USER:PASSWORD`, with zero bytes that old podman versions left behind.
    static func userAndPassword(_ text: String) -> (user: String, password: String)? {
        guard let bytes = Base64.decode(text), let plain = String(validating: bytes, as: UTF8.self),
            let colon = plain.firstIndex(of: ":")
        else { return nil }
        var password = plain[plain.index(after: colon)...]
        while password.last == "\0" { password = password.dropLast() }
        return (String(plain[..<colon]), String(password))
    }
}

/// Where files of credentials may lie, the first to be asked first.
struct CredentialPlaces {
    /// The places that containers tools look at, then our own.
    static func paths(environment: [String: String]) -> [FilePath] {
        func value(_ name: String) -> FilePath? {
            environment[name].flatMap { $0.isEmpty ? nil : FilePath($0) }
        }
        let home = value("HOME")
        return [
            value("REGISTRY_AUTH_FILE"),
            value("DOCKER_CONFIG")?.appending("config.json"),
            value("XDG_RUNTIME_DIR")?.appending("containers/auth.json"),
            (value("XDG_CONFIG_HOME") ?? home?.appending(".config"))?.appending("containers/auth.json"),
            home?.appending(".docker/config.json"),
            "/etc/slipway/auth.json",
        ].compactMap { $0 }
    }
}
