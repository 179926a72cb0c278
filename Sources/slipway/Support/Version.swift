/// What this program is.
enum Version {
    /// The version of the product.
    static let text = "0.1.0"
}
