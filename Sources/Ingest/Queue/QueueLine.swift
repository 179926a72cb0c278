import Documents
import ImageBackend
import OCI
import SystemPackage

/// One line of a queue file, to be understood.
struct QueueLine {
    /// The line without its end.
    private let bytes: ArraySlice<UInt8>
    private let number: Int
    private let path: FilePath

    /// A word of the line and where it starts, in characters from 1.
    private struct Word {
        var text: Substring
        var column: Int
    }

    /// An option that a line may have.
    private enum Key: String, CaseIterable {
        case platform, pull, alias = "as", refresh
    }

    /// The most of a word that a message quotes, in characters.
    private static let quotedLength = 120

    init(_ bytes: ArraySlice<UInt8>, number: Int, path: FilePath) {
        self.bytes = bytes
        self.number = number
        self.path = path
    }

    /// The entry; nil for a blank line or a comment.
    func entry() throws(QueueProblem) -> QueueEntry? {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw problem(at: nil, "the line is no UTF-8")
        }
        let words = words(of: text)
        guard let first = words.first else { return nil }
        let reference: Reference
        do throws(ReferenceError) {
            reference = try Reference(parsing: String(first.text))
        } catch {
            throw problem(at: first.column, quoting: "\(error)")
        }
        guard !reference.isLocal else {
            throw problem(
                at: first.column,
                "\(reference) never comes from a registry: drop it into the inbox as a tar file",
                about: reference
            )
        }
        var entry = QueueEntry(reference, line: number)
        var seen: Set<Key> = []
        for word in words.dropFirst() {
            let (key, value) = try option(word, of: reference)
            guard seen.insert(key).inserted else {
                throw problem(at: word.column, "'\(key.rawValue)' is given twice: keep one", about: reference)
            }
            try set(key, to: value, at: word.column + key.rawValue.count + 1, in: &entry)
        }
        return entry
    }

    private func words(of text: String) -> [Word] {
        var words: [Word] = []
        var column = 1
        var rest = text[...]
        while !rest.isEmpty {
            let blank = rest.prefix { $0.isWhitespace }
            rest = rest.dropFirst(blank.count)
            column += blank.count
            let word = rest.prefix { !$0.isWhitespace }
            if word.isEmpty || word.first == "#" { break }
            words.append(Word(text: word, column: column))
            rest = rest.dropFirst(word.count)
            column += word.count
        }
        return words
    }

    private func option(_ word: Word, of reference: Reference) throws(QueueProblem) -> (Key, Substring) {
        guard let sign = word.text.firstIndex(of: "=") else {
            throw problem(
                at: word.column,
                quoting:
                    "expected an option such as pull=always, found '\(word.text)'; a line has one reference",
                about: reference
            )
        }
        let name = String(word.text[..<sign])
        guard let key = Key(rawValue: name) else {
            throw problem(
                at: word.column,
                quoting: "unknown option '\(name)'; "
                    + Self.suggestion(for: name, among: Key.allCases.map(\.rawValue)),
                about: reference
            )
        }
        return (key, word.text[word.text.index(after: sign)...])
    }

    private func set(
        _ key: Key,
        to value: Substring,
        at column: Int,
        in entry: inout QueueEntry
    ) throws(QueueProblem) {
        let reference = entry.reference
        let text = String(value)
        func refuse(_ message: String) -> QueueProblem {
            problem(at: column, quoting: message, about: reference)
        }
        switch key {
        case .platform:
            guard let platform = Platform(text), platform.os == "linux" else {
                throw refuse("'\(text)' is no platform of Linux; write it as linux/arm64")
            }
            entry.platform = platform
        case .pull:
            guard let policy = PullRequest.Policy(rawValue: text) else {
                let choices = PullRequest.Policy.allCases.map(\.rawValue)
                throw refuse("unknown value '\(text)' of pull; \(Self.suggestion(for: text, among: choices))")
            }
            entry.policy = policy
        case .alias:
            let alias: Reference
            do throws(ReferenceError) {
                let name = Reference.isShortName(text) ? "\(Reference.localDomain)/\(text)" : text
                alias = try Reference(parsing: name)
            } catch { throw refuse("\(error)") }
            guard alias.digest == nil else {
                throw refuse("'\(text)' has a digest, which no name can promise: leave it out")
            }
            entry.alias = alias
        case .refresh:
            guard let refresh = DurationText.parse(text), refresh >= .seconds(1) else {
                throw refuse(
                    "'\(text)' is no length of time of a second or more; write it as 90s, 30m or 1h30m"
                )
            }
            entry.refresh = refresh
        }
    }

    private static func suggestion(for word: String, among choices: [String]) -> String {
        if let nearest = Similarity.nearest(to: word, among: choices) { return "did you mean '\(nearest)'?" }
        return "expected one of \(choices.joined(separator: ", "))"
    }

    /// A problem whose message holds what the line says: never more of it than fits a line.
    private func problem(at column: Int?, quoting message: String, about reference: Reference? = nil)
        -> QueueProblem
    {
        let short = message.count > 3 * Self.quotedLength
        return problem(
            at: column,
            short ? "\(message.prefix(Self.quotedLength)) … \(message.suffix(Self.quotedLength))" : message,
            about: reference
        )
    }

    private func problem(at column: Int?, _ message: String, about reference: Reference? = nil)
        -> QueueProblem
    {
        let place = column.map { "\(path):\(number):\($0)" } ?? "\(path):\(number)"
        return QueueProblem(line: number, message: "\(place): \(message)", reference: reference)
    }
}
