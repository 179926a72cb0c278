import Host
import OCI
import Synchronization
import SystemPackage

/// What became of a member of an archive that has passed.
enum PassedMember: Sendable {
    /// It was converted as it passed.
    case converted(PassedLayer)
    /// It was kept as it is: what it is could not be told yet.
    case kept(File)
    /// It could not be converted, which is an error only if it is a layer.
    case failed(ImageError)
    /// The store has the layer that it says it is.
    case known(Digest)
    /// It was brought into the store.
    case taken
    /// No image seemed to want it.
    case passedOver

    /// Whether it passed by without being read.
    var isUnread: Bool {
        switch self {
        case .known, .passedOver: true
        case .converted, .kept, .failed, .taken: false
        }
    }
}

/// A layer that was converted as it passed.
final class PassedLayer: Sendable {
    /// What the conversion came to.
    let conversion: LayerConverter.Result
    private let image: FilePath
    /// How many layers of images it is.
    private let uses = Mutex(0)

    init(_ conversion: LayerConverter.Result, image: FilePath) {
        self.conversion = conversion
        self.image = image
    }

    /// Says that it is a layer of one image more.
    func addUse() { uses.withLock { $0 += 1 } }

    /// Puts its image into a place: a copy while it is needed elsewhere, since what a layer inherits is written into it.
    ///
    /// - Throws: `FileError`, `CancellationError`.
    func place(at target: FilePath, _ cancellation: Cancellation) throws {
        try uses.withLock { uses in
            uses -= 1
            if uses > 0 {
                try File(image, .readOnly).copy(to: target, cancellation)
            } else {
                try Directory.rename(image, to: target)
            }
        }
    }
}
