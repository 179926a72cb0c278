/// Reads a mapping key by key and then insists that nothing else stands in it.
///
/// A key with a null value counts as absent, so that a YAML section whose content is commented out is fine.
public struct ObjectReader: Sendable {
    /// The mapping.
    public let node: Node
    private let members: [Node.Member]
    private var asked: [String] = []

    init(_ node: Node, members: [Node.Member]) {
        self.node = node
        self.members = members
    }

    /// The value of a key, if it is there.
    public mutating func optional(_ key: String) -> Node? {
        asked.append(key)
        guard let member = members.first(where: { $0.key == key }), !member.value.isNull else { return nil }
        return member.value
    }

    /// The value of a key that has to be there.
    public mutating func required(_ key: String) throws(DocumentError) -> Node {
        if let value = optional(key) { return value }
        throw node.error("the key '\(key)' is missing")
    }

    /// Throws for the first key that was never asked for, with its place and the nearest valid key.
    public func finish() throws(DocumentError) {
        guard let unknown = members.first(where: { !asked.contains($0.key) }) else { return }
        let hint =
            Similarity.nearest(to: unknown.key, among: asked).map { "did you mean '\($0)'?" }
            ?? "valid keys are \(asked.sorted().joined(separator: ", "))"
        throw DocumentError(
            file: node.file,
            mark: unknown.keyMark,
            keyPath: unknown.value.path,
            message: "unknown key; \(hint)"
        )
    }
}
