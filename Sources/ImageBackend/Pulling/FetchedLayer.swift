import Store
import Synchronization
import SystemPackage

/// A layer that came from a registry: a blob of the store, or an image in a workspace's file that becomes one once the
/// layers below it are known.
final class FetchedLayer: Sendable {
    /// What converting it came to; nil for a layer that needed none.
    let conversion: LayerConverter.Result?
    /// Bytes that came over the network; what an earlier try had left does not count.
    let bytesFetched: UInt64

    /// Keeps the image's file, and the lease on a blob.
    private let workspace: Workspace
    private let image: Mutex<FilePath?>

    init(
        conversion: LayerConverter.Result?,
        bytesFetched: UInt64,
        image: FilePath?,
        workspace: Workspace
    ) {
        self.conversion = conversion
        self.bytesFetched = bytesFetched
        self.image = Mutex(image)
        self.workspace = workspace
    }

    /// Hands the image's file over, to one taker.
    func takeImage() -> FilePath? { image.withLock { $0.take() } }
}
