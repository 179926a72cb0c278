/// The header field that says which bytes of a body came (RFC 9110, 14.4): `bytes 100-199/200`.
struct ContentRange: Equatable {
    var first: UInt64
    var last: UInt64
    /// The whole length; nil where the server does not know it.
    var total: UInt64?

    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]),
            first <= last
        else { return nil }
        self.first = first
        self.last = last
        if parts[1] != "*" {
            guard let total = UInt64(parts[1]), last < total else { return nil }
            self.total = total
        }
    }
}
