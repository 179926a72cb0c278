import EROFS
import Host
import Store
import SystemPackage

/// How a layer's image for a certain base comes from an image of the layer for any base.
struct VariantPlan: Sendable {
    /// The key of the image that is wanted.
    let key: LayerKey

    private let source: BlobRecord
    private let image: FilePath
    private let layer: OpenEnds
    private let inheritance: Inheritance
    private let below: MergedView

    /// Finds what the layer inherits.
    ///
    /// - Parameters:
    ///   - source: an image's record; it leaves something open.
    ///   - image: where that image lies.
    ///   - below: the layers below, finished.
    /// - Throws: ``ImageError`` when the layer does not fit on those below; `EROFSError`, `FileError`.
    init(_ source: BlobRecord, _ image: FilePath, _ below: MergedView) throws {
        let plain = try ImageReader(
            file: File.regular(image),
            extended: source.open?.plainSize ?? source.size
        )
        layer = try OpenEnds(note: plain.note(), of: image.string)
        var planner = InheritancePlanner(layer, plain: plain, below: below)
        inheritance = try planner.plan()
        key = LayerKey(diffID: source.key.diffID, inheritance: inheritance.digest)
        self.source = source
        self.image = image
        self.below = below
    }

    /// Makes the image: in place where the source is its file, else in a new file with a copy.
    ///
    /// - Parameters:
    ///   - guestKernel: the oldest Linux that has to read the image.
    ///   - kernel: the guests' kernel that the layer was written anew for, if it was.
    /// - Returns: the image's record, without what its boot files and digest are.
    func write(
        to target: FilePath,
        guestKernel: GuestKernel,
        remadeFor kernel: GuestKernel?,
        _ cancellation: Cancellation
    ) throws -> BlobRecord {
        var record = source
        record.key = key
        guard let open = source.open else { return record }
        if target != image {
            try File.regular(image).copy(to: target, cancellation)
        }
        let file = try File(target, .readWrite, options: .noFollow)
        if source.size != open.plainSize { try ImageWriter.restoreExtended(file, toSize: open.plainSize) }
        guard !inheritance.steps.isEmpty else {
            record.size = open.plainSize
            record.entries = open.plainEntries
            return record
        }
        let summary = try VariantWriter.extend(
            file,
            uuid: key.imageUUID(remadeFor: kernel),
            guestKernel: guestKernel,
            layer: layer,
            inheritance: inheritance,
            below: below,
            cancellation: cancellation
        )
        record.size = summary.size
        record.entries = Int(clamping: summary.entries)
        record.minimumGuestKernel = summary.minimumKernel.description
        return record
    }
}

extension OpenLayer {
    /// What an image leaves open that was just converted.
    init(places: Int, plain: EROFS.Summary) {
        self.init(places: places, plainSize: plain.size, plainEntries: Int(clamping: plain.entries))
    }
}
