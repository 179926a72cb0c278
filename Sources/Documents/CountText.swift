/// Numbers of things as they are said to people.
public enum CountText {
    /// `1 image`, `2 images`, `no images`.
    ///
    /// - Parameters:
    ///   - noun: the thing in the singular.
    ///   - plural: its plural; nil for the noun with an `s`.
    public static func text(_ count: some BinaryInteger, _ noun: String, _ plural: String? = nil) -> String {
        count == 1 ? "1 \(noun)" : "\(count == 0 ? "no" : "\(count)") \(plural ?? "\(noun)s")"
    }
}
