import Documents
import OCI
import Snapshots
import Store
import SystemPackage

/// What is said to people about VMs.
enum Advice {
    static func missingImage(_ request: VMRequest) -> String {
        let reference = request.image
        guard Digest(reference) == nil, Reference.isShortName(reference),
            let full = Reference.candidates(for: reference).last
        else {
            guard request.pull != .never, VMObservation.pullable(reference) != nil else {
                return "the store has no image \(reference); put it into the inbox or the queue"
            }
            return "the store has no image \(reference); it is pulled"
        }
        return
            "the store has no image localhost/\(reference) and no \(full.description); put it into the inbox, or "
            + "write the full name \(full.description) here to have it pulled"
    }

    static func noFolder(_ settings: VMSettings, isThere: Bool) -> String {
        guard isThere else {
            return
                "the folder of VMs \(settings.vms) is not there, but VMs are bound; nothing is done about them"
        }
        return
            "the folder of VMs \(settings.vms) is not the one that VMs are bound in, as when it is not mounted; nothing is "
            + "done about them. Should they start anew there, make the empty file \(settings.identityFile)"
    }

    static func asking(_ reference: String) -> String {
        "the registry is asked what \(reference) means now, as pull: always says"
    }

    static func heldImage(_ request: VMRequest, bound: Digest, wanted: Digest, moved: Bool) -> String {
        let what =
            moved ? "the reference \(request.image) moved to" : "the request now names \(request.image),"
        return
            "\(what) \(wanted.short), but the disk was made on \(bound.short); `slipway vm reset \(request.name)` "
            + "retires the disk and starts on the new image"
    }

    static func gone(_ binding: VMRecord, onRemove: VMSettings.Removal) -> String {
        let fate = onRemove == .retain ? "it is kept as retired" : "it is deleted"
        return "its request \(binding.request) is gone; \(fate) unless that comes back"
    }

    static func unknownDisk(_ name: String) -> String {
        "its folder holds a disk that no image is bound to; `slipway vm reset \(name)` retires it"
    }

    static func unshrunkDisk(_ disk: VMObservation.DiskWish) -> String {
        "\(disk.member) is \(ByteCount.text(disk.wish)), but the disk has \(ByteCount.text(disk.size)); disks are "
            + "never shrunk"
    }

    static func missingDisks(_ disks: [WritableDisk]) -> String {
        let names = disks.compactMap { $0.path.lastComponent?.string }.joined(separator: ", ")
        return
            "\(names) had been there and is gone, and an empty disk in its place would pass for it; put it back, start "
            + "anew with `slipway vm reset`, or, for an empty data disk, take it out of the request for a moment"
    }

    static func remade(_ files: [String]) -> String {
        "\(files.joined(separator: ", ")) had been removed or changed by hand, and \(files.count == 1 ? "was" : "were") "
            + "made again"
    }

    static func grownDisk(_ disk: VMObservation.DiskWish) -> String {
        "\(disk.member) is \(ByteCount.text(disk.wish)), and the disk has \(ByteCount.text(disk.size)); it grows once "
            + "no hypervisor runs on it, and the guest then enlarges its file system"
    }
}

extension Digest {
    /// Enough of it to tell it from others.
    fileprivate var short: String { "sha256:\(hex.prefix(12))" }
}
