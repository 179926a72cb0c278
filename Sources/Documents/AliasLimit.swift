/// Keeps aliases from multiplying before they can be refused.
///
/// Composing a document compares its keys, and a key made of aliases to lists of aliases takes time exponential in
/// its length. Where anchors and aliases stand is known only after composing; what looks like one is told from the
/// text. A few do no harm and get the exact error later.
enum AliasLimit {
    private static let harmless = 16

    /// The name of an anchor with an alias, in a text that has too many of what look like aliases of its anchors.
    static func excess(in text: String) -> String? {
        var anchors: Set<Substring> = []
        var aliases: [Substring] = []
        var rest = Substring(text)
        var previous: Character = "\n"
        while let character = rest.first {
            rest = rest.dropFirst()
            if character == "&" || character == "*", " \t\n\r[{,:?-".contains(previous) {
                let name = rest.prefix { !$0.isWhitespace && !",[]{}".contains($0) }
                if character == "&" { anchors.insert(name) } else if !name.isEmpty { aliases.append(name) }
                rest = rest.dropFirst(name.count)
                previous = name.last ?? character
            } else {
                previous = character
            }
        }
        let used = aliases.filter(anchors.contains)
        return used.count > harmless ? used.first.map(String.init) : nil
    }
}
