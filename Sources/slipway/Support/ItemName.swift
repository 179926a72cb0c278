import OCI

/// How items are named on the command line.
enum ItemName {
    /// The normalised reference of `queue/REF`, written as Docker lets people write it; a text that is no reference
    /// stays as it is, and names nothing.
    static func reference(_ item: String) -> String {
        let text = String(item.dropFirst("queue/".count))
        do { return try Reference(parsing: text).description } catch { return text }
    }
}
