import Documents

/// A rule of a mirror that gives repositories other names there, as k3s writes it: a regular expression and what
/// replaces each match, with `$1`, `${1}` or `${name}` for a group and `$$` for a dollar (Go's `Regexp.Expand`).
struct RewriteRule: Sendable {
    private enum Part: Sendable {
        case text(String)
        case group(Int)
        case named(String)
    }

    private let pattern: String
    private let template: [Part]

    /// Reads a rule from a member of `rewrite`.
    init(_ member: Node.Member) throws(DocumentError) {
        pattern = member.key
        do { _ = try Regex(member.key) } catch {
            throw DocumentError(
                file: member.value.file,
                mark: member.keyMark,
                keyPath: member.value.path,
                message: "this is no regular expression: \(error)"
            )
        }
        template = try Self.parse(member.value)
    }

    private static func parse(_ node: Node) throws(DocumentError) -> [Part] {
        var rest = try node.string()[...]
        var parts: [Part] = []
        while let dollar = rest.firstIndex(of: "$") {
            if dollar != rest.startIndex { parts.append(.text(String(rest[..<dollar]))) }
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                parts.append(.text("$"))
                rest = rest.dropFirst()
                continue
            }
            let isBraced = rest.first == "{"
            if isBraced { rest = rest.dropFirst() }
            let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            rest = rest[name.endIndex...]
            if isBraced {
                guard rest.first == "}" else { throw node.error("a ${ is not closed by a }") }
                rest = rest.dropFirst()
            }
            guard !name.isEmpty else {
                throw node.error("a $ has to be followed by the number or name of a group, or written $$")
            }
            if let number = Int(name) {
                parts.append(.group(number))
            } else if !isBraced, let digits = Int(name.prefix { $0.isNumber }) {
                throw node.error(
                    "$\(name) is the group named '\(name)'; write ${\(digits)} for group \(digits)"
                )
            } else {
                parts.append(.named(String(name)))
            }
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        return parts
    }

    /// The repository's new name; nil where the expression does not match.
    func apply(to repository: String) -> String? {
        // Compiled anew: a Regex is not Sendable, and repositories are few. It compiled when the rule was read.
        guard let regex = try? Regex(pattern), repository.contains(regex) else { return nil }
        var result = ""
        var position = repository.startIndex
        for match in repository.matches(of: regex) {
            // An empty match right behind another counts for nothing, as in Go: `(.*)` matches once.
            if match.range.isEmpty, match.range.lowerBound == position, position != repository.startIndex {
                continue
            }
            result += repository[position..<match.range.lowerBound]
            result += template.map { Self.expand($0, match.output) }.joined()
            position = match.range.upperBound
        }
        return result + repository[position...]
    }

    private static func expand(_ part: Part, _ output: AnyRegexOutput) -> String {
        switch part {
        case .text(let text): text
        case .group(let index): index < output.count ? String(output[index].substring ?? "") : ""
        case .named(let name): String(output[name]?.substring ?? "")
        }
    }
}
