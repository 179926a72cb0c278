import Archives
import EROFS
import Host
import OCI
import Store
import SystemPackage

/// Turns one layer's tar, compressed or not, into an EROFS image in a single pass: both digests, the image and the
/// boot listing come out of reading the input once. Nothing is extracted to the host's file system.
///
/// Synchronous: runs on a thread of the caller's. Inflating and hashing the compressed bytes run on a second
/// thread, hashing the tar on a third, compressing on `jobs` more; the result does not depend on how many.
package struct LayerConverter {
    /// How images are written.
    package var compression: EROFS.Compression
    /// The oldest Linux that has to read them.
    package var guestKernel: GuestKernel
    /// Threads that compress.
    package var jobs: Int
    /// Bounds on the input.
    package var limits: LayerLimits
    /// Stops the work between two steps.
    package var cancellation: Cancellation

    package init(
        compression: EROFS.Compression,
        guestKernel: GuestKernel,
        jobs: Int,
        limits: LayerLimits,
        cancellation: Cancellation
    ) {
        self.compression = compression
        self.guestKernel = guestKernel
        self.jobs = jobs
        self.limits = limits
        self.cancellation = cancellation
    }

    /// What a conversion came to.
    package struct Result: Sendable {
        /// SHA-256 of the uncompressed tar to the end of its stream.
        package var diffID: Digest
        /// SHA-256 of the bytes that were read.
        package var digest: Digest
        /// How many bytes were read.
        package var bytes: UInt64
        /// Size of the uncompressed tar.
        package var tarSize: UInt64
        /// How the input was compressed.
        package var inputCompression: Archives.Compression
        /// The blob.
        package var summary: EROFS.Summary
        /// Who wrote it.
        package var writer = "slipway \(slipwayVersion)"
        /// Whether nothing below this layer shows.
        package var hasOpaqueRoot: Bool
        /// What the layer leaves open until the layers below it are known; nil where that is nothing.
        package var open: OpenLayer?
        /// What was left out.
        package var warnings: [String]
    }

    /// Converts `input` to an EROFS image in `output`, an empty file open for reading and writing.
    ///
    /// - Parameters:
    ///   - name: the input's name for messages.
    ///   - isVouchedFor: whether a digest promised from outside covers the bytes, so that end blocks may be missing.
    ///   - checkedDigest: the input's digest where whoever gives the bytes lets no others through; else it is taken here.
    ///   - progress: hears how many bytes of the input are read.
    package func convert(
        _ input: any ByteSource,
        name: String,
        isVouchedFor: Bool,
        checkedDigest: Digest? = nil,
        to output: File,
        progress: @escaping @Sendable (UInt64) -> Void
    ) throws(ImageError) -> Result {
        do {
            let raw = ProgressSource(input, report: progress, cancellation: cancellation)
            let plain = DecompressingSource(
                raw,
                name: name,
                limits: limits.decompression,
                isDigesting: checkedDigest == nil
            )
            let tar = ReadAheadSource(plain, name: name, cancellation: cancellation)
            let reader = TarReader(tar, name: name, limits: limits.tar)
            let writer = try ImageWriter(
                file: output,
                options: WriterOptions(
                    compression: compression,
                    guestKernel: guestKernel,
                    jobs: jobs,
                    cancellation: cancellation
                )
            )
            let tree = LayerTree(writer: writer, limits: limits)
            while let entry = try reader.next() {
                do { try tree.apply(entry, content: reader) } catch let error as EROFSError {
                    throw ImageError(error, during: "converting \(name): \(entry.place)")
                } catch let error as ImageError { throw error.located(in: name) }
            }
            if reader.endOfArchive == .missing, !isVouchedFor {
                throw ImageError(
                    .truncated,
                    "\(name) ends without the two zero blocks that end a tar: it is cut off, or its writer never "
                        + "finished; write it again, or put its digest beside it in a file of that name with .sha256"
                )
            }
            try reader.drain()
            do { try tree.finish() } catch let error as ImageError { throw error.located(in: name) }
            let (diffID, tarSize) = try tar.finishDigest()
            writer.uuid = LayerKey(diffID: diffID).imageUUID
            let open = tree.openEnds
            if open.count > 0 { writer.note = open.encoded }
            let summary = try writer.finish()
            return Result(
                diffID: diffID,
                digest: checkedDigest ?? plain.finishDigest() ?? diffID,
                bytes: raw.bytes,
                tarSize: tarSize,
                inputCompression: plain.compression ?? .none,
                summary: summary,
                hasOpaqueRoot: tree.hasOpaqueRoot,
                open: open.count == 0 ? nil : OpenLayer(places: open.count, plain: summary),
                warnings: tree.warnings.lines
            )
        } catch {
            throw ImageError(error, during: "converting \(name)")
        }
    }
}

/// Counts what is read and passes cancellation on to whoever reads.
private final class ProgressSource: ByteSource {
    private let upstream: any ByteSource
    private let report: @Sendable (UInt64) -> Void
    private let cancellation: Cancellation
    private(set) var bytes: UInt64 = 0
    private var reported: UInt64 = 0

    init(_ upstream: any ByteSource, report: @escaping @Sendable (UInt64) -> Void, cancellation: Cancellation)
    {
        self.upstream = upstream
        self.report = report
        self.cancellation = cancellation
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        let count = try upstream.read(into: buffer)
        bytes += UInt64(count)
        // Every 4 MiB and at the end: often enough to watch, rare enough to cost nothing.
        if count == 0 || bytes - reported >= 4 << 20 {
            reported = bytes
            report(bytes)
        }
        return count
    }
}

extension LayerKey {
    /// The UUID of the layer's EROFS image: the first 16 bytes of the SHA-256 of the written key, marked as a
    /// version 8 UUID (RFC 9562, section 5.8), so that the same layer has the same UUID everywhere.
    var imageUUID: [UInt8] { imageUUID(remadeFor: nil) }

    /// The UUID of an image that was written anew for a guests' kernel. It is another: an overlay's writable layer names
    /// files below by UUID and inode, and the inodes are others.
    func imageUUID(remadeFor kernel: GuestKernel?) -> [UInt8] {
        let name = kernel.map { "slipway:\(self):\($0)" } ?? "slipway:\(self)"
        return Digest.sha256(of: Array(name.utf8)).uuid
    }
}

extension Digest {
    /// A UUID made of the first bytes (RFC 9562, version 8).
    var uuid: [UInt8] {
        var bytes = Array(self.bytes.prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        return bytes
    }
}
