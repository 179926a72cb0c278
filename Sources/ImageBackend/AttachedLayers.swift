import Store

/// Which of an image's layers a guest needs to see its merged view.
struct AttachedLayers {
    /// The layers that take part in the merged view, bottom first: from the topmost opaque root up.
    let merged: [BlobRecord]
    /// The layers to attach as disks, bottom first: those with entries, a repeated one only where it is topmost.
    let disks: [BlobRecord]

    /// Selects from all layers of an image, bottom first.
    init(_ layers: [BlobRecord]) {
        let start = layers.lastIndex { $0.hasOpaqueRoot } ?? 0
        merged = Array(layers[start...])
        var seen: Set<LayerKey> = []
        let topFirst = merged.reversed().filter { $0.entries > 0 && seen.insert($0.key).inserted }
        disks = topFirst.reversed()
    }
}
