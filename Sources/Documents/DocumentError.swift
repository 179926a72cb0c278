/// A place in a document: line and column, both from 1; columns count Unicode scalars.
public struct Mark: Hashable, Sendable, CustomStringConvertible {
    /// The line.
    public var line: Int
    /// The column.
    public var column: Int

    /// Creates a mark.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// `line:column`.
    public var description: String { "\(line):\(column)" }
}

/// Something in a document that cannot be accepted, with the place where it stands.
public struct DocumentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file as it was named to the parser.
    public var file: String
    /// The place; nil where the error concerns the file as a whole.
    public var mark: Mark?
    /// The value's place in the tree, as `nets[0].mac`; empty for the document itself.
    public var keyPath: String
    /// What is wrong and what would be right.
    public var message: String

    /// Creates an error.
    public init(file: String, mark: Mark? = nil, keyPath: String = "", message: String) {
        self.file = file
        self.mark = mark
        self.keyPath = keyPath
        self.message = message
    }

    /// `requests/web.yaml:3:7: nets[0].mac: …`
    public var description: String {
        let place = mark.map { "\(file):\($0)" } ?? file
        return keyPath.isEmpty ? "\(place): \(message)" : "\(place): \(keyPath): \(message)"
    }
}
