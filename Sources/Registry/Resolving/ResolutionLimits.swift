/// What an image may come to before its layers are fetched.
enum ResolutionLimits {
    /// Bytes of an index or manifest.
    static let manifestBytes = 4 << 20
    /// Bytes of an image config.
    static let configBytes = 8 << 20
    /// Indexes that lead to one another.
    static let indexDepth = 4
}
