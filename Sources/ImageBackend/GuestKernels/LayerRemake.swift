import EROFS
import Host
import Store
import SystemPackage

/// Writes a stored layer anew, from itself, so that the guests' kernel mounts it.
struct LayerRemake: Sendable {
    let configuration: OCIBackend.Config

    /// Writes the layer's plain image: what it leaves open goes on with it.
    ///
    /// - Parameters:
    ///   - record: the blob's, whatever it inherited.
    ///   - image: the blob.
    ///   - target: the new image; nothing may lie there.
    /// - Returns: the new image's record under the plain key, or that of a native layer, without what its boot files and digest are.
    func write(
        _ record: BlobRecord,
        from image: FilePath,
        to target: FilePath,
        _ cancellation: Cancellation
    ) throws -> BlobRecord {
        var record = record
        if !record.key.isNative { record.key = LayerKey(diffID: record.key.diffID) }
        let source = try ImageReader(
            file: File.regular(image),
            extended: record.open?.plainSize ?? record.size
        )
        let writer = try ImageWriter(
            file: File(target, .readWrite, options: [.create, .exclusiveCreate]),
            options: WriterOptions(
                compression: configuration.compression,
                guestKernel: configuration.guestKernel,
                uuid: record.key.imageUUID(remadeFor: configuration.guestKernel),
                jobs: configuration.compressionJobs,
                cancellation: cancellation
            )
        )
        try ImageCopy.copy(source, to: writer)
        if record.open != nil { writer.note = try source.note() }
        let summary = try writer.finish()
        record.size = summary.size
        record.entries = Int(clamping: summary.entries)
        record.minimumGuestKernel = summary.minimumKernel.description
        record.writer = "slipway \(slipwayVersion)"
        record.options = configuration.writerOptions
        record.open?.plainSize = summary.size
        return record
    }
}

extension OCIBackend.Config {
    /// Whether a blob needs a newer Linux than the guests have.
    func isBeyondGuests(_ record: BlobRecord) -> Bool { isBeyondGuests(record.minimumGuestKernel) }

    /// Whether a release, as a record has it, is newer than what the guests have.
    func isBeyondGuests(_ kernel: String) -> Bool {
        // What cannot be read was written by a slipway that knows releases this one does not.
        GuestKernel(kernel).map { $0 > guestKernel } ?? true
    }
}
