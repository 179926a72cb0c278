/// What the descriptor of a native layer notes (image-spec, annotations.md). All of it describes; none of it is believed
/// where it would decide what another image means.
enum NativeAnnotation {
    /// The diffID that the tar had which the image was made of, where its maker knew. For people: no key comes of it.
    static let diffID = "dev.slipway.layer.diff-id"
    /// `true` where the layer's tar said that nothing below shows: overlayfs reads no such mark from a root, so the image
    /// does not hold it. Part of the layer's key.
    static let opaqueRoot = "dev.slipway.layer.opaque-root"

    /// Whether annotations say that nothing below the layer shows.
    static func hasOpaqueRoot(_ annotations: [String: String]?) -> Bool { annotations?[opaqueRoot] == "true" }
}
