import EROFS
import Host
import OCI
import Store

extension OCIBackend {
    /// Opens the files of an image.
    ///
    /// - Parameters:
    ///   - query: the image, as for ``inspect(_:)``.
    ///   - layer: one layer by its position from the bottom, its diffID, its digest, or 12 or more digits of those; nil
    ///     for all of them as a guest sees them.
    /// - Throws: ``ImageError`` `notFound` for no such image, layer or blob.
    public func files(of query: String, layer: String? = nil) async throws(ImageError) -> ImageFiles {
        guard let image = try await inspect(query) else {
            throw ImageError(.notFound, "there is no image '\(query)'")
        }
        let positions = try layer.map { (layer) throws(ImageError) in [try image.position(of: layer)] }
        var opened: [(position: Int, layer: MergedView.Layer)] = []
        for position in positions ?? Array(image.layers.indices) {
            let key = image.layers[position].key
            guard let record = try await blobs([key]).first else {
                throw ImageError(
                    .notFound,
                    "the store has lost layer \(position) of \(image.digest); import the image again"
                )
            }
            let path = configuration.blobPath(key)
            do {
                let reader = try await onThread(named: "open-layer") { _ in
                    try ImageReader(file: File.regular(path))
                }
                opened.append(
                    (position, MergedView.Layer(image: reader, hasOpaqueRoot: record.hasOpaqueRoot))
                )
            } catch { throw ImageError(error, during: "opening \(path)") }
        }
        guard layer != nil, let single = opened.first else {
            return ImageFiles(content: .merged(MergedView(layers: opened.map(\.layer))))
        }
        return ImageFiles(content: .single(single.layer.image, layer: single.position))
    }
}

extension Image {
    /// The position of a layer that is named by position or digest.
    fileprivate func position(of layer: String) throws(ImageError) -> Int {
        if layer.utf8.count < 12, let position = Int(layer) {
            guard layers.indices.contains(position) else {
                throw ImageError(
                    .notFound,
                    "\(digest) has \(layers.count) layers, the bottom one is 0: there is no layer \(position)"
                )
            }
            return position
        }
        let hex = layer.hasPrefix("sha256:") ? String(layer.dropFirst(7)) : layer
        let matches = layers.indices.filter {
            hex.utf8.count >= 12
                && (layers[$0].diffID.hex.hasPrefix(hex) || layers[$0].digest.hex.hasPrefix(hex))
        }
        guard let match = matches.last else {
            throw ImageError(.notFound, "\(digest) has no layer '\(layer)'")
        }
        return match
    }
}
