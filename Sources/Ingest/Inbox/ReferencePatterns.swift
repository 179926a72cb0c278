/// Patterns that limit which references a drop may claim: `*` stands for any text, slashes included, `?` for one
/// character.
struct ReferencePatterns: Sendable {
    private let patterns: [[UInt8]]

    init(_ patterns: [String]) { self.patterns = patterns.map { Array($0.utf8) } }

    /// Whether a pattern covers the normalised reference, with its tag or without.
    func allow(_ reference: String) -> Bool {
        let whole = Array(reference.utf8)
        let tag = reference.lastIndex(of: ":").flatMap { reference[$0...].contains("/") ? nil : $0 }
        let name = tag.map { Array(reference[..<$0].utf8) }
        return patterns.contains { pattern in
            Self.matches(pattern, whole) || (name.map { Self.matches(pattern, $0) } ?? false)
        }
    }

    /// Greedy matching with one place to go back to: time is at most the product of the lengths.
    private static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var p = 0
        var t = 0
        var retry: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                retry = (p + 1, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] || pattern[p] == UInt8(ascii: "?") {
                p += 1
                t += 1
            } else if let place = retry {
                retry = (place.pattern, place.text + 1)
                p = place.pattern
                t = place.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
