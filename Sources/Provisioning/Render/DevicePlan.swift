import CloudHypervisor
import ImageBackend

/// How a VM has its layers, and whether that fits what the hypervisor and the guest's kernel take.
enum LayerDisks: Hashable {
    /// One disk per layer, bottom first.
    case each([StorageConfig])
    /// One disk for all of them.
    case merged(StorageConfig)

    /// The disks, bottom first.
    var storage: [StorageConfig] {
        switch self {
        case .each(let storage): storage
        case .merged(let disk): [disk]
        }
    }
}

/// How near a config is to a limit that is made of several of its parts.
struct LimitUse: Hashable {
    /// What is limited, in words.
    var subject: String
    /// How much of it the config takes.
    var used: Int
    /// How much there is.
    var limit: Int

    /// Refuses what is beyond.
    ///
    /// - Parameter remedy: what to do about it.
    func check(remedy: String) throws(RequestFile.Problem) {
        guard used > limit else { return }
        throw RequestFile.Problem(
            reason: .limitExceeded,
            message: "\(subject): \(used), and \(limit) is the limit; \(remedy)"
        )
    }
}

/// The guest's `mount -t overlay`: all options of a mount share one page (fs/namespace.c, `copy_mount_options`).
enum OverlayOptions {
    /// The page's size less the final NUL.
    static let limit = 4095
    /// Room for the folder that an initramfs mounts a layer in, before the layer's serial: `/.layers/` and longer ones.
    private static let mountRoom = 20
    /// Room for the rest: `lowerdir=`, and the writable disk's folders.
    private static let rest = 96

    /// Bytes of the options for some layers.
    static func length(_ storage: [StorageConfig]) -> Int {
        storage.reduce(rest) { $0 + mountRoom + $1.serial.utf8.count + 1 }
    }
}

/// Queues of devices.
enum Queues {
    /// The most queues that a disk or pairs that an interface gets by itself: each has a thread in the hypervisor, and
    /// beyond this they bring no more than they cost.
    static let most = 16

    /// One per processor that the VM boots with.
    static func count(bootCPUs: Int) -> UInt16 { UInt16(min(max(1, bootCPUs), most)) }
}
