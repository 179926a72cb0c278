/// Why a text is no image reference: the text, what is wrong with it, where, and what to write instead.
public struct ReferenceError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Problem: Hashable, Sendable {
        /// There is nothing.
        case empty
        /// A URL scheme stands before the reference: `https://`.
        case scheme(String)
        /// The whole name is 64 hex digits, which Docker reads as an image ID.
        case bareIdentifier
        /// The registry's domain does not follow the grammar.
        case domain(String)
        /// The port of the registry is not a number.
        case port(String)
        /// The repository is missing: `example.com/`, `:tag`.
        case missingRepository
        /// A component of the repository is empty: `a//b`.
        case emptyComponent
        /// An upper-case letter where only lower case is allowed.
        case upperCase(Character)
        /// A character that a repository name cannot hold.
        case character(Character)
        /// A separator at the start or end of a component, or a run other than `.`, `_`, `__` or dashes.
        case separator(String)
        /// The repository is longer than 255 bytes.
        case tooLong(Int)
        /// The tag is empty, longer than 128 bytes, or holds a character other than letters, digits and `_.-`.
        case tag(String)
        /// What follows `@` is no `sha256:` with 64 lower-case hex digits.
        case digest(String)
        /// The digest is well formed but of another algorithm.
        case algorithm(String)
        /// A file name holds a `%` that does not start a code like `%2F`.
        case percentCode
        /// A file name has both `:tag` and `@tag`.
        case twoTags
    }

    /// The text that was parsed: a reference or a file name.
    public let text: String
    /// What is wrong.
    public let problem: Problem
    /// Where, as the number of a character in `text`, from 1; nil when it concerns the whole.
    public let position: Int?
    /// A text that would be right, when one can be told.
    public let suggestion: String?

    /// The whole in one line.
    public var description: String {
        let place = position.map { " at character \($0)" } ?? ""
        let help = suggestion.map { "; '\($0)' would do" } ?? ""
        return "'\(text)' is not an image name: \(problem)\(place)\(help)"
    }
}

extension ReferenceError.Problem: CustomStringConvertible {
    /// The problem in words.
    public var description: String {
        switch self {
        case .empty: "it is empty"
        case .scheme(let scheme): "a reference has no scheme, leave out '\(scheme)'"
        case .bareIdentifier: "64 hex digits alone are an image ID; a digest is written NAME@sha256:…"
        case .domain(let domain): "'\(domain)' is not a registry's domain"
        case .port(let port): "the registry's port '\(port)' is not a number"
        case .missingRepository: "the repository's name is missing"
        case .emptyComponent: "a part of the repository's name between slashes is empty"
        case .upperCase(let letter): "'\(letter)' is upper case, and repository names are lower case"
        case .character(let character): "\(Self.quoted(character)) cannot stand in a repository's name"
        case .separator(let run):
            "'\(run)' may only stand between letters or digits, as one of '.', '_', '__' or dashes"
        case .tooLong(let length): "the repository's name has \(length) bytes, and 255 is the limit"
        case .tag(let tag):
            tag.isEmpty
                ? "the tag is empty"
                : "the tag '\(tag)' is not 1 to 128 letters, digits, '_', '.' and '-', starting with none of '.-'"
        case .digest(let digest): "'\(digest)' is not sha256: and 64 lower-case hex digits"
        case .algorithm(let name): "digests by \(name) are not supported, only sha256"
        case .percentCode: "'%' must start a code of two hex digits, as %2F for a slash"
        case .twoTags: "it has a tag after ':' and another after '@'"
        }
    }

    /// A character in quotes; one that cannot be seen as its code point.
    private static func quoted(_ character: Character) -> String {
        guard let scalar = character.unicodeScalars.first, scalar.value < 0x20 || scalar.value == 0x7F else {
            return "'\(character)'"
        }
        let hex = String(scalar.value, radix: 16, uppercase: true)
        return "the control character U+" + String(repeating: "0", count: 4 - hex.count) + hex
    }
}
