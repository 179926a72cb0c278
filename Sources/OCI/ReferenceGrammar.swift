extension Reference {
    /// Parses a reference by Docker's rules and normalises it.
    public init(parsing text: String) throws(ReferenceError) {
        var grammar = ReferenceGrammar(text)
        self = try grammar.parse()
    }
}

/// The grammar of distribution/reference (`regexp.go`), read from left to right so that an error can say where.
struct ReferenceGrammar {
    private let text: String

    init(_ text: String) { self.text = text }

    mutating func parse() throws(ReferenceError) -> Reference {
        guard !text.isEmpty else { throw failure(.empty, at: nil) }
        if text.utf8.count == 64, Digest(hex: text) != nil { throw failure(.bareIdentifier, at: nil) }
        if let scheme = text.firstRange(of: "://") {
            throw failure(
                .scheme(String(text[..<scheme.upperBound])),
                at: text.startIndex,
                suggesting: String(text[scheme.upperBound...])
            )
        }

        var named = text[...]
        var digest: Digest?
        if let at = named.firstIndex(of: "@") {
            digest = try parseDigest(text[text.index(after: at)...])
            named = named[..<at]
        }
        let (domain, remote) = Self.splitDomain(named)
        if let domain { try checkDomain(domain) }

        var repository = remote
        var tag: String?
        if let colon = remote.firstIndex(of: ":") {
            tag = try parseTag(remote[remote.index(after: colon)...])
            repository = remote[..<colon]
        }
        try checkRepository(repository)
        return try normalised(
            domain: domain.map(String.init),
            repository: repository,
            tag: tag,
            digest: digest
        )
    }

    /// Splits what stands before the first slash off if it is a domain: it holds a dot or a colon, is `localhost`, or
    /// has upper-case letters, which no repository has.
    static func splitDomain<Text: StringProtocol>(_ text: Text) -> (
        domain: Text.SubSequence?, remote: Text.SubSequence
    )
    where Text.SubSequence == Substring {
        guard let slash = text.firstIndex(of: "/") else { return (nil, text[...]) }
        let first = text[..<slash]
        guard
            first == Reference.localDomain || first.contains(where: { $0 == "." || $0 == ":" })
                || first.contains(where: \.isUppercase)
        else { return (nil, text[...]) }
        return (first, text[text.index(after: slash)...])
    }

    private func normalised(domain: String?, repository: Substring, tag: String?, digest: Digest?)
        throws(ReferenceError) -> Reference
    {
        let registry: String =
            switch domain {
            case nil, Reference.legacyDefaultDomain: Reference.defaultDomain
            case .some(let written): written
            }
        var path = String(repository)
        if registry == Reference.defaultDomain, !path.contains("/") {
            path = "\(Reference.officialNamespace)/\(path)"
        }
        guard path.utf8.count <= Reference.repositoryLimit else {
            throw failure(.tooLong(path.utf8.count), at: repository.startIndex)
        }
        return Reference(domain: registry, repository: path, tag: tag, digest: digest)
    }

    // MARK: Domain

    /// `host[:port]`, where a host is dot-separated labels or an IPv6 address in brackets.
    private func checkDomain(_ domain: Substring) throws(ReferenceError) {
        var host = domain
        var port: Substring?
        if domain.hasPrefix("[") {
            guard let bracket = domain.firstIndex(of: "]") else {
                throw failure(.domain(String(domain)), at: domain.startIndex)
            }
            let address = domain[domain.index(after: domain.startIndex)..<bracket]
            let rest = domain[domain.index(after: bracket)...]
            guard !address.isEmpty, address.allSatisfy({ $0.isHexadecimal || $0 == ":" }),
                rest.isEmpty || rest.hasPrefix(":")
            else { throw failure(.domain(String(domain)), at: domain.startIndex) }
            port = rest.isEmpty ? nil : rest.dropFirst()
            host = ""
        } else if let colon = domain.firstIndex(of: ":") {
            host = domain[..<colon]
            port = domain[domain.index(after: colon)...]
        }
        if let port, port.isEmpty || !port.allSatisfy(\.isDecimal) {
            throw failure(.port(String(port)), at: port.startIndex)
        }
        guard domain.hasPrefix("[") || isHostName(host) else {
            throw failure(.domain(String(host)), at: domain.startIndex)
        }
    }

    private func isHostName(_ host: Substring) -> Bool {
        host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && label.first != "-" && label.last != "-"
                && label.allSatisfy { $0.isAlphanumeric || $0 == "-" }
        }
    }

    // MARK: Repository

    private func checkRepository(_ repository: Substring) throws(ReferenceError) {
        guard !repository.isEmpty else { throw failure(.missingRepository, at: repository.startIndex) }
        for component in repository.split(separator: "/", omittingEmptySubsequences: false) {
            guard !component.isEmpty else { throw failure(.emptyComponent, at: component.startIndex) }
            try checkCharacters(of: component)
            try checkSeparators(of: component)
        }
    }

    private func checkCharacters(of component: Substring) throws(ReferenceError) {
        for index in component.indices {
            let character = component[index]
            if character.isLowerAlphanumeric || "._-".contains(character) { continue }
            guard character.isUppercase else { throw failure(.character(character), at: index) }
            throw failure(.upperCase(character), at: index, suggesting: lowerCasedRepository())
        }
    }

    /// Letters and digits, joined by one of `.`, `_`, `__` or any number of dashes.
    private func checkSeparators(of component: Substring) throws(ReferenceError) {
        var index = component.startIndex
        while index < component.endIndex {
            guard !component[index].isLowerAlphanumeric else {
                index = component.index(after: index)
                continue
            }
            let end = component[index...].firstIndex(where: \.isLowerAlphanumeric) ?? component.endIndex
            let run = component[index..<end]
            let isInside = index != component.startIndex && end != component.endIndex
            let isSeparator = run == "." || run == "_" || run == "__" || run.allSatisfy { $0 == "-" }
            guard isInside && isSeparator else { throw failure(.separator(String(run)), at: index) }
            index = end
        }
    }

    /// The text with its repository in lower case, if that alone makes it a reference.
    private func lowerCasedRepository() -> String? {
        let name = text.prefix { $0 != "@" }
        let (domain, remote) = Self.splitDomain(name)
        let repository = remote.prefix { $0 != ":" }
        let lower = (domain.map { "\($0)/" } ?? "") + repository.lowercased() + text[repository.endIndex...]
        guard lower != text, (try? Reference(parsing: lower)) != nil else { return nil }
        return lower
    }

    // MARK: Tag and digest

    private func parseTag(_ tag: Substring) throws(ReferenceError) -> String {
        guard let first = tag.first, tag.utf8.count <= Reference.tagLimit,
            first.isAlphanumeric || first == "_",
            tag.allSatisfy({ $0.isAlphanumeric || "_.-".contains($0) })
        else { throw failure(.tag(String(tag)), at: tag.startIndex) }
        return String(tag)
    }

    private func parseDigest(_ digest: Substring) throws(ReferenceError) -> Digest {
        if let digest = Digest(String(digest)) { return digest }
        let parts = digest.split(separator: ":", omittingEmptySubsequences: false)
        let isOfOtherAlgorithm =
            parts.count == 2 && parts[0] != "sha256" && parts[0].first?.isLetter == true
            && parts[1].count >= 32 && parts[1].allSatisfy(\.isHexadecimal)
        throw failure(
            isOfOtherAlgorithm ? .algorithm(String(parts[0])) : .digest(String(digest)),
            at: digest.startIndex
        )
    }

    private func failure(
        _ problem: ReferenceError.Problem,
        at index: String.Index?,
        suggesting suggestion: String? = nil
    )
        -> ReferenceError
    {
        let position = index.map { text.distance(from: text.startIndex, to: $0) + 1 }
        return ReferenceError(text: text, problem: problem, position: position, suggestion: suggestion)
    }
}

/// The grammar's classes, which are ASCII.
extension Character {
    var isDecimal: Bool { "0" <= self && self <= "9" && isASCII }
    var isLowerAlphanumeric: Bool { isDecimal || (isASCII && "a" <= self && self <= "z") }
    var isAlphanumeric: Bool { isASCII && (isLetter || isDecimal) }
    var isHexadecimal: Bool { isASCII && isHexDigit }
}
