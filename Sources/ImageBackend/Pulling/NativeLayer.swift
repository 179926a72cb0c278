import EROFS
import Host
import OCI
import Store
import SystemPackage

/// A layer that came as an EROFS image.
struct NativeLayer {
    /// The image, open for reading.
    let image: File
    /// Its size in bytes.
    let size: UInt64
    let limits: LayerLimits

    /// Checks the image, copies its boot files, and says what the store has to know of it.
    ///
    /// - Throws: ``ImageError`` `invalidArchive` for an image that is not sound or needs what is not known here.
    func record(diffID: Digest, boot: FilePath, _ cancellation: Cancellation) throws -> BlobRecord {
        let check = ImageCheck(
            limits: ImageCheck.Limits(
                entries: UInt64(limits.entries),
                expandedBytes: limits.unpackedBytes
            ),
            cancellation: cancellation
        )
        let report = try check.check(image)
        let reader = try ImageReader(file: image)
        let root = try reader.inode(reader.root)
        let hasOpaqueRoot = try reader.xattrs(of: root).contains {
            $0.name == OverlayAttribute.opaque && $0.value == Array("y".utf8)
        }
        return BlobRecord(
            key: LayerKey(diffID: diffID),
            sha256: diffID,
            size: size,
            tarSize: size,
            entries: Int(clamping: report.entries),
            hasOpaqueRoot: hasOpaqueRoot,
            minimumGuestKernel: reader.superblock.minimumKernel.description,
            writer: "native",
            options: "native",
            boot: try BootFiles(image: reader, folder: boot).extract(hasOpaqueRoot: hasOpaqueRoot)
        )
    }
}
