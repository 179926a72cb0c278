/// What `registries.yaml` says of one host under `configs`.
struct HostSettings: Sendable {
    var credentials: Credentials?
    var tls: TLSSettings?
}

/// What opens a registry. Never shown: its description says where it came from and nothing else.
struct Credentials: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    enum Secret: Sendable, Hashable {
        /// A user name and password, or what stands for one.
        case password(user: String, password: String)
        /// An OAuth2 refresh token, with the user name that came with it.
        case identityToken(String, user: String)
        /// A bearer token to be used as it is.
        case registryToken(String)
    }

    var secret: Secret
    /// Where they are written, for messages.
    var origin: String

    var description: String { "credentials from \(origin)" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: ["origin": origin]) }

    /// The value of an `Authorization` field with a user name and password (RFC 7617).
    static func basic(user: String, password: String) -> String {
        "Basic \(Base64.encode(Array("\(user):\(password)".utf8)))"
    }
}
