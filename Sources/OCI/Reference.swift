/// An image reference as Docker writes it: `[DOMAIN[:PORT]/]REPOSITORY[:TAG][@DIGEST]`, always held in its normalised
/// form (distribution/reference, `reference.go` and `normalize.go`).
///
/// A reference without a domain belongs to `docker.io`, there one without a namespace to `library/`, and one with
/// neither tag nor digest has the tag `latest`.
public struct Reference: Hashable, Sendable {
    /// The registry, with its port if one is written: `docker.io`, `localhost:5000`.
    public let domain: String
    /// The repository in the registry: `library/ubuntu`.
    public let repository: String
    /// The tag; nil when only a digest is written.
    public let tag: String?
    /// The digest of a manifest or index.
    public let digest: Digest?

    /// Docker's own registry, which stands for a domain that is not written.
    public static let defaultDomain = "docker.io"
    /// The domain of images that never came from a registry.
    public static let localDomain = "localhost"
    /// The longest repository name, in bytes.
    public static let repositoryLimit = 255
    /// The longest tag, in bytes.
    public static let tagLimit = 128

    static let legacyDefaultDomain = "index.docker.io"
    static let officialNamespace = "library"
    static let defaultTag = "latest"

    /// Creates a reference of parts that are known to follow the grammar.
    init(domain: String, repository: String, tag: String?, digest: Digest?) {
        self.domain = domain
        self.repository = repository
        self.tag = tag ?? (digest == nil ? Self.defaultTag : nil)
        self.digest = digest
    }

    /// Domain and repository: `docker.io/library/ubuntu`.
    public var name: String { "\(domain)/\(repository)" }

    /// Whether the image is the host's own: its domain is `localhost` without a port, and no network is ever asked.
    public var isLocal: Bool { domain == Self.localDomain }

    /// The reference as people write it: without `docker.io` and `library/` where Docker adds them again.
    public var familiar: String {
        guard domain == Self.defaultDomain else { return description }
        var parts = repository.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, parts[0] == Self.officialNamespace { parts.removeFirst() }
        let short = parts.joined(separator: "/") + suffix
        // A first part such as `localhost` would be read as a domain: then the long form is the only one.
        guard let parsed = try? Reference(parsing: short), parsed == self else { return description }
        return short
    }

    /// The same repository by digest alone, as a resolved tag is recorded.
    public func pinned(to digest: Digest) -> Reference {
        Reference(domain: domain, repository: repository, tag: nil, digest: digest)
    }

    private var suffix: String { (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "") }
}

extension Reference: CustomStringConvertible, Comparable, Codable {
    /// The normalised form: `docker.io/library/ubuntu:24.04`.
    public var description: String { name + suffix }

    /// Orders by the normalised form.
    public static func < (left: Reference, right: Reference) -> Bool { left.description < right.description }

    /// Decodes a reference from its text, normalised or not.
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        do {
            self = try Reference(parsing: text)
        } catch {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: error.description)
            )
        }
    }

    /// Encodes the normalised form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Reference {
    /// Whether no domain is written in a text, so that it may mean `localhost/TEXT` or an image of Docker Hub.
    public static func isShortName(_ text: String) -> Bool {
        ReferenceGrammar.splitDomain(text).domain == nil
    }

    /// What a text may mean, in the order to look it up: a short name is `localhost/TEXT` first, then what Docker makes
    /// of it; a full name is itself; a text that is no reference means nothing.
    public static func candidates(for query: String) -> [Reference] {
        let texts = isShortName(query) ? ["\(localDomain)/\(query)", query] : [query]
        return texts.compactMap { try? Reference(parsing: $0) }
    }
}
