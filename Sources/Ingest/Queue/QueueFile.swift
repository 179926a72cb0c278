import OCI
public import SystemPackage

/// What a queue file asks for.
public struct QueueFile: Sendable, Hashable {
    /// The images, in the order of the file, each reference once.
    public var entries: [QueueEntry] = []
    /// The lines that cannot be followed, in the order of the file.
    public var problems: [QueueProblem] = []

    /// A file that asks for nothing.
    public init() {}

    /// The largest queue file: some hundred thousand lines.
    static let sizeLimit = 16 << 20

    /// Reads a file's bytes.
    ///
    /// A line is `REF [KEY=VALUE]…`; `#` starts a comment at the start of a word. A byte order mark, CR before the end of
    /// a line, and blank lines are fine. Lines that ask for the same coalesce; of two that ask for one reference in
    /// different ways, or claim one name for two images, the first counts.
    ///
    /// - Parameters:
    ///   - path: Where it lies, for messages.
    ///   - takesOpenLine: Whether a last line without an end is taken; it may still be being written.
    public init(parsing bytes: [UInt8], path: FilePath, takesOpenLine: Bool = true) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let content = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
        var lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // What follows the last line end is a line without one, or nothing.
        if !takesOpenLine || lines.last?.isEmpty == true { lines.removeLast() }
        var names = ClaimedNames()
        for (index, line) in lines.enumerated() {
            do throws(QueueProblem) {
                let parsed = try QueueLine(line, number: index + 1, path: path).entry()
                guard let entry = parsed, try names.claim(entry, path: path) else { continue }
                entries.append(entry)
            } catch { problems.append(error) }
        }
    }
}

/// Who claims which name, over the lines of a file.
private struct ClaimedNames {
    private var entries: [Reference: QueueEntry] = [:]
    private var aliases: [Reference: Int] = [:]

    /// Takes an entry's names; false when an earlier line asks for just the same.
    mutating func claim(_ entry: QueueEntry, path: FilePath) throws(QueueProblem) -> Bool {
        let line = entry.line ?? 0
        func problem(_ message: String) -> QueueProblem {
            QueueProblem(line: line, message: "\(path):\(line): \(message)", reference: entry.reference)
        }
        if let first = entries[entry.reference] {
            guard first.identity == entry.identity else {
                throw problem(
                    "\(entry.reference) is asked for in line \(first.line ?? 0) already, with other options; that line "
                        + "counts: keep one"
                )
            }
            return false
        }
        if let first = aliases[entry.reference] {
            throw problem("line \(first) gives the name \(entry.reference) to another image: keep one")
        }
        if let alias = entry.alias, alias != entry.reference {
            if let first = entries[alias]?.line ?? aliases[alias] {
                throw problem("as=\(alias) is the name of the image of line \(first): choose another")
            }
            aliases[alias] = line
        }
        entries[entry.reference] = entry
        return true
    }
}
