import Archives
import EROFS
import Host
import OCI
import Store
import SystemPackage

/// Writes the archive of a plan. Synchronous: runs on a thread of the caller's.
struct ArchiveSave {
    let plan: SavePlan
    let configuration: OCIBackend.Config
    let tracker: any Tracker
    let cancellation: Cancellation

    /// What came of it.
    struct Result: Sendable {
        var layers: [SavePlan.Layer]
        var manifests: [Digest]
        var bytes: UInt64
        var warnings: [String] = []
    }

    // MARK: Native layers

    /// Writes an archive of native layers, from front to back: `output` may be a pipe.
    ///
    /// - Throws: ``ImageError`` `checkFailed` for a blob that is damaged: the archive is then of no use.
    func writeNative(to output: any ByteSink) throws -> Result {
        let layers = plan.blobs.map {
            SavePlan.Layer(diffID: $0.sha256, digest: $0.sha256, size: $0.size)
        }
        let (documents, manifests) = try plan.documents(layers)
        let counted = DigestingSink(BufferedSink(output))
        for (path, bytes) in documents.members { try member(path, bytes, to: counted) }
        var written: Set<Digest> = []
        for (position, blob) in plan.blobs.enumerated() where written.insert(blob.sha256).inserted {
            try write(
                LayoutMember.header(LayoutDocuments.blobPath(blob.sha256), size: blob.size),
                to: counted
            )
            try copy(blob, at: position, to: counted)
            try write([UInt8](repeating: 0, count: LayoutMember.padding(blob.size)), to: counted)
        }
        try write(LayoutMember.end, to: counted)
        try counted.finish()
        return Result(layers: layers, manifests: manifests, bytes: counted.bytes)
    }

    private func copy(_ blob: BlobRecord, at position: Int, to output: any ByteSink) throws {
        let path = configuration.blobPath(blob.key)
        let source = DigestingSource(
            FileRangeSource(file: try File.regular(path), cancellation: cancellation)
        )
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var done: UInt64 = 0
        while case let count = try source.read(into: buffer), count > 0, done <= blob.size {
            done += UInt64(count)
            try output.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            report(done, of: blob.size, position)
        }
        guard source.finish() == (blob.sha256, blob.size) else {
            throw ImageError(
                .checkFailed,
                "\(path) is not what was committed: run `slipway store verify --repair`, then save again"
            )
        }
    }

    // MARK: Tars

    /// Writes an archive of tars into an empty file. The documents, which say what the layers turned out to be, go in front
    /// of them: their place is left free until then.
    func writeTars(to file: File, compression: MediaType.Compression) throws -> Result {
        let unknown = plan.blobs.map {
            SavePlan.Layer(diffID: $0.key.diffID, digest: $0.sha256, size: $0.size)
        }
        let reserved = try plan.documents(unknown).documents.space
        var position = reserved
        var layers: [SavePlan.Layer] = []
        var written: Set<Digest> = []
        var warnings: [String] = []
        for (index, blob) in plan.blobs.enumerated() {
            let sink = FileSink(file, at: position + UInt64(LayoutMember.headerSize))
            let (layer, left) = try writeTar(of: blob, at: index, compression, to: sink)
            layers.append(layer)
            warnings += left
            // Two blobs may hold the same tree: the second one's place is taken again.
            guard written.insert(layer.digest).inserted else { continue }
            let path = LayoutDocuments.blobPath(layer.digest)
            try write(LayoutMember.header(path, size: layer.size), to: FileSink(file, at: position))
            let padding = [UInt8](repeating: 0, count: LayoutMember.padding(layer.size))
            position += LayoutMember.space(layer.size)
            try write(padding, to: FileSink(file, at: position - UInt64(padding.count)))
        }
        let (documents, manifests) = try plan.documents(layers)
        guard documents.space == reserved else {
            throw ImageError(
                .io,
                "the documents of \(file.path) came out \(documents.space) bytes long, not \(reserved)"
            )
        }
        // Behind may lie a layer that was there already.
        try file.truncate(to: position)
        try write(LayoutMember.end, to: FileSink(file, at: position))
        let front = BufferedSink(FileSink(file, at: 0))
        for (path, bytes) in documents.members { try member(path, bytes, to: front) }
        try front.finish()
        return Result(
            layers: layers,
            manifests: manifests,
            bytes: position + UInt64(LayoutMember.end.count),
            warnings: warnings
        )
    }

    private func writeTar(
        of blob: BlobRecord,
        at position: Int,
        _ compression: MediaType.Compression,
        to output: any ByteSink
    ) throws -> (layer: SavePlan.Layer, warnings: [String]) {
        let path = configuration.blobPath(blob.key)
        let compressed = DigestingSink(output)
        let plain =
            compression == .none
            ? compressed
            : DigestingSink(
                try CompressingSink(
                    compressed,
                    compression: compression,
                    jobs: configuration.compressionJobs
                )
            )
        let front = BufferedSink(plain)
        let warnings: Warnings
        do {
            let image = try ImageReader(file: File.regular(path))
            let tar = ImageTar(
                image: image,
                form: .layer(hasOpaqueRoot: blob.hasOpaqueRoot),
                cancellation: cancellation
            )
            warnings = try tar.write { bytes in
                try front.write(bytes)
                report(plain.bytes, of: blob.tarSize, position)
            }
            try front.finish()
        } catch let error as EROFSError {
            if case .corrupt(let what) = error {
                throw ImageError(
                    .checkFailed,
                    "\(path) is damaged: \(what); run `slipway store verify --repair`, then save again"
                )
            }
            throw error
        }
        let diffID = plain.digest()
        return (
            SavePlan.Layer(
                diffID: diffID,
                digest: compression == .none ? diffID : compressed.digest(),
                size: compressed.bytes
            ),
            warnings.lines.map { "layer \(blob.key.diffID): \($0)" }
        )
    }

    // MARK: Pieces

    private func member(_ path: String, _ bytes: [UInt8], to output: any ByteSink) throws {
        let size = UInt64(bytes.count)
        try write(LayoutMember.header(path, size: size), to: output)
        try write(bytes + [UInt8](repeating: 0, count: LayoutMember.padding(size)), to: output)
    }

    private func write(_ bytes: [UInt8], to output: any ByteSink) throws {
        try bytes.withUnsafeBytes { try output.write($0) }
    }

    private func report(_ bytes: UInt64, of total: UInt64, _ position: Int) {
        tracker.report(
            ProgressEvent(
                phase: .save,
                layer: position,
                layers: plan.blobs.count,
                bytes: min(bytes, total),
                total: total
            )
        )
    }
}

extension LayoutDocuments {
    /// Bytes of the archive that the documents take.
    fileprivate var space: UInt64 { members.reduce(0) { $0 + LayoutMember.space(UInt64($1.bytes.count)) } }
}
