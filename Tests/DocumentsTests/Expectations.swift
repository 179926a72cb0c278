import Documents
import Testing

/// Parses text that has to be right.
func parse(_ text: String, _ format: Document.Format = .yaml) throws -> Node {
    try Document.parse(Array(text.utf8), file: "f", format: format)
}

/// The words of the error that parsing or `body` throws.
func message(
    _ text: String,
    _ format: Document.Format = .yaml,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (Node) throws -> Void = { _ in }
) -> String {
    do {
        try body(try parse(text, format))
    } catch {
        return "\(error)"
    }
    Issue.record("no error", sourceLocation: sourceLocation)
    return ""
}
