import Foundation

/// A JSON document of an image that cannot be used: which kind, where in it, and why.
public struct MalformedDocument: Error, Hashable, Sendable, CustomStringConvertible {
    /// `image manifest`, `image index`, `image config`.
    public let kind: String
    /// The place as `layers[2].digest`; empty for the document as a whole.
    public let path: String
    /// What is wrong there.
    public let problem: String

    /// Creates an error.
    public init(kind: String, path: String = "", problem: String) {
        self.kind = kind
        self.path = path
        self.problem = problem
    }

    /// The kind, the place and the problem, in one line.
    public var description: String { path.isEmpty ? "\(kind): \(problem)" : "\(kind): \(path): \(problem)" }

    /// How deep objects and arrays may lie in one another: an index needs five.
    static let maximumDepth = 100

    /// Decodes a document and turns whatever fails into one error.
    static func decode<Document: Decodable>(_ type: Document.Type, kind: String, from json: [UInt8])
        throws(MalformedDocument) -> Document
    {
        guard depth(of: json) <= maximumDepth else {
            throw MalformedDocument(kind: kind, problem: "it nests more than \(maximumDepth) deep")
        }
        do {
            return try JSONDecoder().decode(Document.self, from: Data(json))
        } catch let error as MalformedDocument {
            throw error
        } catch let error as DecodingError {
            throw MalformedDocument(kind: kind, error: error)
        } catch {
            throw MalformedDocument(kind: kind, problem: "\(error)")
        }
    }

    /// How deep brackets nest that stand in no string.
    private static func depth(of json: [UInt8]) -> Int {
        var (depth, deepest) = (0, 0)
        var isInString = false
        var isEscaped = false
        for byte in json {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                deepest = max(deepest, depth)
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return deepest
    }

    private init(kind: String, error: DecodingError) {
        switch error {
        case .keyNotFound(let key, let place):
            self.init(
                kind: kind,
                path: Self.path(place.codingPath),
                problem: "'\(key.stringValue)' is missing"
            )
        case .valueNotFound(_, let place):
            self.init(kind: kind, path: Self.path(place.codingPath), problem: "it is null")
        case .typeMismatch(let type, let place):
            let name = Self.names[ObjectIdentifier(type)] ?? "an object"
            self.init(kind: kind, path: Self.path(place.codingPath), problem: "it is not \(name)")
        case .dataCorrupted(let place) where place.codingPath.isEmpty:
            // Foundation on Linux says no more than this, neither the line nor the column.
            self.init(kind: kind, problem: "it is not valid JSON, or a number in it is out of range")
        case .dataCorrupted(let place):
            self.init(kind: kind, path: Self.path(place.codingPath), problem: place.debugDescription)
        @unknown default:
            self.init(kind: kind, problem: "\(error)")
        }
    }

    private static let names: [ObjectIdentifier: String] = [
        ObjectIdentifier(String.self): "a string",
        ObjectIdentifier(Int.self): "an integer",
        ObjectIdentifier(UInt64.self): "a size in bytes",
        ObjectIdentifier(Bool.self): "true or false",
        ObjectIdentifier([Any].self): "an array",
    ]

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce(into: "") { path, key in
            if let index = key.intValue {
                path += "[\(index)]"
            } else {
                path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
    }
}
