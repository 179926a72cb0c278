/// A value in a document, with where it stands.
public struct Node: Hashable, Sendable {
    /// What a value is. YAML and JSON share it.
    public enum Kind: Hashable, Sendable {
        case null
        case bool(Bool)
        case integer(Int64)
        /// A whole number above what `Int64` holds.
        case unsigned(UInt64)
        case number(Double)
        case string(String)
        case array([Node])
        /// Members in the order of the document; no key occurs twice.
        case object([Member])
    }

    /// A key with its value.
    public struct Member: Hashable, Sendable {
        /// The key.
        public var key: String
        /// Where the key stands.
        public var keyMark: Mark
        /// The value.
        public var value: Node

        /// Creates a member.
        public init(key: String, keyMark: Mark, value: Node) {
            self.key = key
            self.keyMark = keyMark
            self.value = value
        }
    }

    /// What it is.
    public var kind: Kind
    /// A plain YAML scalar as it was written, for places that want a string: the name `0123` is not the number 123.
    /// Nil for everything else.
    public var plainText: String?
    /// Where it starts.
    public var mark: Mark
    /// Its place in the tree, as `nets[0].mac`; empty for the root.
    public var path: String
    /// The file, as it was named to the parser.
    public var file: String

    /// Creates a node.
    public init(_ kind: Kind, plainText: String? = nil, mark: Mark, path: String, file: String) {
        self.kind = kind
        self.plainText = plainText
        self.mark = mark
        self.path = path
        self.file = file
    }

    /// An error about this value.
    public func error(_ message: String) -> DocumentError {
        DocumentError(file: file, mark: mark, keyPath: path, message: message)
    }

    /// Whether it is null, or nothing was written where a value could stand.
    public var isNull: Bool { kind == .null }

    /// The value in words, for errors.
    var described: String {
        switch kind {
        case .null: "nothing"
        case .bool(let value): "\(value)"
        case .integer(let value): "the number \(value)"
        case .unsigned(let value): "the number \(value)"
        case .number(let value): "the number \(plainText ?? "\(value)")"
        case .string(let value): "the text '\(Self.shortened(value))'"
        case .array: "a list"
        case .object: "a mapping"
        }
    }

    private static func shortened(_ text: String) -> String {
        let printable = text.unicodeScalars.prefix(60).map { $0.isControl ? "\u{FFFD}" : Character($0) }
        return String(printable) + (text.unicodeScalars.count > 60 ? "…" : "")
    }
}

/// Builds the paths of nodes.
enum KeyPath {
    /// The path of a member.
    static func member(_ key: String, of parent: String) -> String {
        let isPlain =
            !key.isEmpty
            && key.unicodeScalars.allSatisfy {
                $0 == "_" || $0 == "-" || ("a"..."z").contains($0) || ("A"..."Z").contains($0)
                    || ("0"..."9").contains($0)
            }
        guard isPlain else { return "\(parent)[\(JSONValue.string(key).text)]" }
        return parent.isEmpty ? key : "\(parent).\(key)"
    }

    /// The path of an element.
    static func element(_ index: Int, of parent: String) -> String { "\(parent)[\(index)]" }
}
