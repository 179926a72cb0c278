import Host
import ImageBackend
import OCI
import Store
import Synchronization
import SystemPackage

/// One try to import an item.
struct ImportJob: Sendable {
    /// What came of it.
    enum Outcome: Sendable {
        /// The images are in the store.
        case imported([Image], digest: Digest?)
        /// The item's bytes are those that were imported before.
        case same(images: [Digest], digest: Digest)
        /// The item changed meanwhile: what was read counts for nothing. The store may hold an image of it.
        case changed(isCommitted: Bool)
        /// The item went away meanwhile.
        case gone
        /// It failed.
        case failed(ImageError)
        /// It was stopped.
        case cancelled
    }

    var work: InboxPlan.Import
    var patterns: ReferencePatterns
    var images: any Images
    var scan: InboxScan
    /// The inbox as it was when the item was seen.
    var folder: InboxObservation.Folder
    var tracker: ImportProgress

    /// Runs it.
    func run() async -> Outcome {
        do {
            let result = try await attempt()
            switch try await currentIdentity() {
            case nil: return .gone
            case work.item.identity?: return result
            default:
                if case .imported = result { return .changed(isCommitted: true) }
                return .changed(isCommitted: false)
            }
        } catch is CancellationError {
            return .cancelled
        } catch let error as ImageError {
            if error.code == .cancelled || Task.isCancelled { return .cancelled }
            return await afterFailure(error)
        } catch let error as FileError {
            let code: ImageError.Code = error.isOutOfSpace ? .noSpace : .io
            return await afterFailure(ImageError(code, "\(error)", isTransient: error.isTransient))
        } catch {
            return .failed(ImageError(.io, "\(work.item.name): \(error)", isTransient: true))
        }
    }

    /// A file that changes or goes away while it is read fails in many ways, none of which is its fault.
    private func afterFailure(_ failure: ImageError) async -> Outcome {
        guard failure.code != .changedWhileReading else { return .changed(isCommitted: false) }
        // If it cannot even be looked at, the error of the import is the one to tell.
        do {
            guard let identity = try await currentIdentity() else { return .gone }
            return identity == work.item.identity ? .failed(failure) : .changed(isCommitted: false)
        } catch { return .failed(failure) }
    }

    private func attempt() async throws -> Outcome {
        let files = work.item.files.map { scan.path.appending(FilePath($0).components) }
        if let record = work.record, work.reason != .imageMissing, let known = record.digest,
            record.image != nil,
            record.identity != work.item.identity, isPromised(known)
        {
            // Touched, copied or moved, most likely: reading is cheaper than converting.
            let digest = try await onThread(named: "hash") { cancellation in
                try Self.digest(of: files, cancellation)
            }
            if let digest, digest == known { return .same(images: record.images, digest: digest) }
        }
        let imported = try await images.importAll(request(files), tracker: tracker)
        guard let digests = imported.first?.imported?.inputDigests else {
            return .imported(imported, digest: nil)
        }
        for (index, promised) in work.item.fileDigests.enumerated() {
            guard let promised, index < digests.count, digests[index] != promised else { continue }
            throw ImageError(
                .digestMismatch,
                "\(files[index]) has the SHA-256 \(digests[index].hex), but \(promised.hex) is promised for it"
            )
        }
        return .imported(imported, digest: Self.combined(digests))
    }

    private func request(_ files: [FilePath]) -> ImportRequest {
        let patterns = patterns
        let problem = ImageError(.invalidReference, work.nameProblem ?? "the name is no reference")
        let own = work.reference.flatMap { try? Reference(parsing: $0) }
        return ImportRequest(
            name: work.reference ?? work.item.name,
            inputs: work.item.isLayout
                ? [.layout(scan.path.appending(work.item.name))] : files.map { .path($0) },
            promisedDigests: work.item.fileDigests,
            naming: ImportNaming(own: own.map { .success($0) } ?? .failure(problem)) {
                patterns.allow($0.description)
            },
            source: .inbox(work.item.name)
        )
    }

    /// Whether nothing else than this digest is promised for the item.
    private func isPromised(_ digest: Digest) -> Bool {
        work.item.promisedDigest.map { $0 == digest } ?? work.item.fileDigests.allSatisfy { $0 == nil }
    }

    private func currentIdentity() async throws -> String? {
        try await onThread(named: "inbox") { _ in
            // Sidecars are no part of the identity.
            if let entry = scan.entry(work.item.name) { return entry.item.identity }
            // An item is gone only if its folder is there without it.
            let now = try? File(scan.path, .readOnly, options: .directory).status().inode
            guard case .present(let inode) = folder, now == inode else {
                throw ImageError(
                    .io,
                    "\(scan.path) went away while \(work.item.name) was imported",
                    isTransient: true
                )
            }
            return nil
        }
    }

    /// Of one file its SHA-256; of several the SHA-256 of theirs, one a line.
    private static func combined(_ digests: [Digest]) -> Digest? {
        digests.count > 1 ? Digest.sha256(of: digests.map { "\($0)\n" }.joined().utf8) : digests.first
    }

    private static func digest(of files: [FilePath], _ cancellation: Cancellation) throws -> Digest? {
        var digests: [Digest] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for path in files {
            let file = try File.regular(path)
            let hasher = SHA256()
            while true {
                try cancellation.check()
                let count = try file.read(into: buffer)
                if count == 0 { break }
                hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
            digests.append(hasher.finalize())
        }
        return combined(digests)
    }
}

/// How far an import has come.
final class ImportProgress: Tracker {
    private let bytes = Atomic<UInt64>(0)

    /// Bytes of the input that are done.
    var bytesDone: UInt64 { bytes.load(ordering: .relaxed) }

    func report(_ event: ProgressEvent) {
        if event.bytes > 0 { bytes.store(event.bytes, ordering: .relaxed) }
    }
}
