extension Reference {
    /// The reference that a dropped file or folder claims by its name.
    ///
    /// `web.tar.gz` is `localhost/web:latest`. `%2F` is a slash and other bytes may be written as `%XX` too; `@` precedes
    /// the tag: `registry.example%2Fteam%2Fweb@1.2.tar` is `registry.example/team/web:1.2`. A name without a domain
    /// is the host's own.
    public init(fileName: String) throws(ReferenceError) {
        do {
            self = try Self.claim(of: fileName)
        } catch {
            throw ReferenceError(
                text: fileName,
                problem: error.problem,
                position: nil,
                suggestion: Self.suggestedFileName(for: fileName)
            )
        }
    }

    private static func claim(of fileName: String) throws(ReferenceError) -> Reference {
        func failure(_ problem: ReferenceError.Problem) -> ReferenceError {
            ReferenceError(text: fileName, problem: problem, position: nil, suggestion: nil)
        }
        let (stem, _) = splitExtension(fileName)
        let parts = stem.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init
        )
        guard let name = parts[0].removingPercentCodes else { throw failure(.percentCode) }
        guard !name.isEmpty else { throw failure(.missingRepository) }
        // In a file name upper case is a slip, never a domain.
        if let letter = name.first(where: \.isUppercase) { throw failure(.upperCase(letter)) }

        let domained = isShortName(name) ? "\(localDomain)/\(name)" : name
        guard parts.count == 2 else { return try Reference(parsing: domained) }
        guard let tag = parts[1].removingPercentCodes else { throw failure(.percentCode) }
        let (_, remote) = ReferenceGrammar.splitDomain(domained)
        if remote.contains(":") { throw failure(.twoTags) }
        return try Reference(parsing: "\(domained):\(tag)")
    }

    /// Endings of tar files, compressed or not, and of folders of tar files; the longest first.
    private static let fileExtensions: [String] = {
        let compressed = ["gz", "zst", "xz", "bz2", "lz4", "lzma", "lz", "Z"].map { ".tar.\($0)" }
        let short = [".tgz", ".taz", ".tzst", ".txz", ".tbz2", ".tbz", ".tlz", ".tar", ".image"]
        return compressed + short
    }()

    private static func splitExtension(_ fileName: String) -> (stem: String, ending: String) {
        for ending in fileExtensions where fileName.lowercased().hasSuffix(ending.lowercased()) {
            return (String(fileName.dropLast(ending.count)), String(fileName.suffix(ending.count)))
        }
        return (fileName, "")
    }

    /// The name with everything a reference cannot hold put right; nil when that leads nowhere.
    private static func suggestedFileName(for fileName: String) -> String? {
        let (stem, ending) = splitExtension(fileName)
        let parts = stem.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init
        )
        let decoded = (parts[0].removingPercentCodes ?? parts[0].replacing("%", with: "-")).lowercased()
        let components = decoded.split(separator: "/").map { component in
            joined(component, keeping: { $0.isLowerAlphanumeric || $0 == ":" })
        }
        var name = components.filter { !$0.isEmpty }.joined(separator: "%2F")
        if parts.count == 2 {
            let tag = joined(parts[1][...], keeping: \.isAlphanumeric)
            if !tag.isEmpty { name += "@\(tag.prefix(tagLimit))" }
        }
        let suggestion = name + ending
        guard suggestion != fileName, (try? claim(of: suggestion)) != nil else { return nil }
        return suggestion
    }

    /// Runs of kept characters, joined by the separator that stood between them where a name may hold it, else by `-`.
    private static func joined(_ text: Substring, keeping isKept: (Character) -> Bool) -> String {
        var result = ""
        var separator = ""
        for character in text {
            guard isKept(character) else {
                separator.append(character)
                continue
            }
            if !result.isEmpty, !separator.isEmpty {
                result += separator == "." || separator == "_" ? separator : "-"
            }
            separator = ""
            result.append(character)
        }
        return result
    }
}

extension String {
    /// The text with every `%XX` decoded; nil for a `%` without two hex digits or bytes that are no UTF-8.
    fileprivate var removingPercentCodes: String? {
        guard contains("%") else { return self }
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let code = String(rest.prefix(2)), code.allSatisfy(\.isHexadecimal), code.count == 2,
                let value = UInt8(code, radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
