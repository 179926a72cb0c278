import Archives
import EROFS
import Host
import OCI
import Store
import SystemPackage

/// A layer that comes as an EROFS image (`application/vnd.erofs.layer.v1`), from a registry or in an archive. It becomes a
/// blob as it is, byte for byte: nothing is converted, and it inherits nothing from the layers below.
///
/// Whoever made it is not trusted. The bytes have the digest that the image's config promises; ``EROFS/ImageCheck``
/// proves them harmless to a kernel; attributes that change what overlayfs makes of other layers are refused. Which tar
/// it was made of cannot be proven, and is not believed: see ``Store/LayerKey/init(native:hasOpaqueRoot:)``.
struct NativeLayer: Sendable {
    /// The layer's name in messages.
    let name: String
    /// The digest that the uncompressed image has to have.
    let digest: Digest
    /// Whether its descriptor says that nothing below it shows.
    let hasOpaqueRoot: Bool
    let limits: LayerLimits

    /// The key of its blob.
    var key: LayerKey { LayerKey(native: digest, hasOpaqueRoot: hasOpaqueRoot) }

    /// Takes the image, compressed for the way or not, into a new file, checks it, and copies its boot files.
    ///
    /// - Parameters:
    ///   - boot: the folder for boot files, made if there are any.
    ///   - progress: hears how many bytes of the image were taken.
    /// - Throws: ``ImageError`` `digestMismatch` for other bytes than those promised; `invalidArchive` for an image that
    ///   is not sound, or needs what is not known here; `limitExceeded`.
    func take(
        _ source: any ByteSource,
        to output: FilePath,
        boot: FilePath,
        _ cancellation: Cancellation,
        progress: (UInt64) -> Void
    ) throws -> BlobRecord {
        let image = try File(output, .readWrite, options: [.create, .exclusiveCreate])
        let plain = DigestingSource(
            DecompressingSource(source, name: name, limits: limits.decompression)
        )
        try plain.copy(to: image, cancellation, progress)
        let (actual, size) = plain.finish()
        guard actual == digest else {
            throw ImageError(
                .digestMismatch,
                "\(name) has the digest \(actual), but the image's config says \(digest): save or push the image again"
            )
        }
        return try record(image, size, boot, cancellation)
    }

    private func record(
        _ image: File,
        _ size: UInt64,
        _ boot: FilePath,
        _ cancellation: Cancellation
    ) throws -> BlobRecord {
        let check = ImageCheck(
            limits: ImageCheck.Limits(
                entries: UInt64(limits.entries),
                depth: limits.pathDepth,
                pathBytes: limits.pathBytes,
                expandedBytes: limits.unpackedBytes,
                tarBytes: limits.unpackedBytes
            ),
            isAttributeAllowed: Self.isAttributeAllowed,
            cancellation: cancellation
        )
        let report: ImageCheck.Report
        do throws(EROFSError) { report = try check.check(image) } catch {
            switch error {
            case .corrupt(let what), .unsupported(let what):
                throw ImageError(.invalidArchive, "\(name) is no EROFS image to be trusted: \(what)")
            case .limitExceeded(let what):
                throw ImageError(.limitExceeded, "\(name) is beyond what is allowed (store.limits): \(what)")
            default: throw ImageError(error, during: "checking \(name)")
            }
        }
        let reader = try ImageReader(file: image)
        let root = try reader.inode(reader.root)
        let hasOpaqueRoot = try hasOpaqueRoot || reader.isOpaque(root)
        return BlobRecord(
            key: key,
            sha256: digest,
            size: size,
            tarSize: report.tarBytes,
            entries: Int(clamping: report.entries),
            hasOpaqueRoot: hasOpaqueRoot,
            minimumGuestKernel: reader.superblock.minimumKernel.description,
            writer: "native",
            options: "native",
            boot: try BootFiles(image: reader, folder: boot).extract(hasOpaqueRoot: hasOpaqueRoot)
        )
    }

    /// Of overlayfs' own attributes those that layers are written with. The others rename, redirect or hide what lies in
    /// other layers, and the guest would see another tree than the one that is read here.
    private static func isAttributeAllowed(_ name: [UInt8]) -> Bool {
        !OverlayAttribute.isReserved(name) || name == OverlayAttribute.opaque
            || name == OverlayAttribute.origin
    }
}

extension OCIBackend {
    /// Brings a native layer's checked image into the store.
    ///
    /// - Parameter compressed: the digest of the bytes it came as, where those are not the image's own.
    func commit(
        native record: BlobRecord,
        image: FilePath,
        boot: FilePath,
        compressed: Digest?,
        in workspace: Workspace
    ) async throws -> BlobRecord {
        try await checkBeforeCommit(image, of: "layer \(record.key)")
        return try await store.commitBlob(
            record,
            file: image,
            bootDirectory: try FileStatus.of(boot) == nil ? nil : boot,
            compressed: compressed == record.sha256 ? nil : compressed,
            in: workspace
        )
    }
}

extension ByteSource {
    /// Copies the rest of the stream to a file's position.
    ///
    /// - Parameter progress: hears how many bytes were copied so far, and may stop.
    func copy(to file: File, _ cancellation: Cancellation, _ progress: (UInt64) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var done: UInt64 = 0
        while true {
            try cancellation.check()
            let count = try read(into: buffer)
            if count == 0 { return }
            try file.writeAll(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            done += UInt64(count)
            try progress(done)
        }
    }
}
