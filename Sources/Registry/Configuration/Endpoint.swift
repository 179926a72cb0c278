import OCI

/// A place that a repository is asked of.
struct Endpoint: Sendable, Hashable {
    /// Scheme, host, port, and the path that `/NAME/manifests/…` is added to: `/v2` almost always.
    let base: HTTPURL
    /// The repository's name there, rewritten where the mirror wants it so.
    let repository: String
    /// The registry that a mirror stands in for, which it is told as containerd does (`?ns=`); nil for the registry
    /// itself.
    let namespace: String?
    /// Who is trusted there, and who we are.
    let tls: TLSSettings

    /// The host for messages.
    var name: String { namespace.map { "\(base.authority) (a mirror of \($0))" } ?? base.authority }

    /// The URL of a manifest or blob (distribution-spec, "Endpoints").
    func url(_ kind: String, _ reference: String) -> HTTPURL {
        var path = base.path
        while path.hasSuffix("/") { path.removeLast() }
        return base.with(
            path: "\(path)/\(repository)/\(kind)/\(reference)",
            query: namespace.map { "ns=\($0)" }
        )
    }

    /// Where the images of a domain are when nothing else is said. Only Docker's own registry has another name than
    /// its domain.
    static func defaultHost(of domain: String) -> String {
        domain == Reference.defaultDomain ? "registry-1.docker.io" : domain
    }
}
