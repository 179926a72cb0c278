import Archives
import Host
import OCI
import SystemPackage

/// One layer to be imported: where its bytes are and what is known of them beforehand.
struct LayerInput: Sendable {
    /// The bytes' name for errors.
    var name: String
    /// Where they are.
    var bytes: Bytes
    /// How many there are.
    var size: UInt64
    /// The digest that they have to have; nil where nobody promised one.
    var digest: Digest?
    /// The digest that the uncompressed tar has to have; nil where nobody promised one.
    var diffID: Digest?

    /// What the bytes are.
    var kind = Kind.tar

    /// What a layer's bytes are.
    enum Kind: Sendable {
        /// A tar, compressed or not.
        case tar
        /// An EROFS image, compressed or not; `diffID` is its digest.
        case erofs(hasOpaqueRoot: Bool)
    }

    /// Where a layer's bytes are.
    enum Bytes: Sendable {
        /// A file of their own.
        case file(File)
        /// A member of an archive of images.
        case member(ArchivedLayer, of: ImageArchive)
        /// A pipe.
        case pipe(PipedLayer)
        /// A member of an archive of images that comes through a pipe, as it passes.
        case passing(PassingMember)
        /// A member that has passed.
        case passed(PassedMember)
    }

    /// Whether the bytes may be read more than once, at any time.
    private var isAtHand: Bool {
        switch bytes {
        case .file, .member: true
        case .pipe, .passing, .passed: false
        }
    }

    /// Whether hashing the bytes before they are converted is worth it: a compressed archive is read twice for that.
    var isCheapToIdentify: Bool { isAtHand && sequence == nil }

    /// Whether a digest covers the bytes, so that the end of the tar may be missing. The config of an archive of images has
    /// one for every layer, also where it has not come yet.
    var isVouchedFor: Bool {
        if case .passing = bytes { return true }
        return digest != nil || diffID != nil
    }

    /// The layer as a native one; nil for a tar.
    func native(_ limits: LayerLimits) -> NativeLayer? {
        guard case .erofs(let hasOpaqueRoot) = kind, let diffID else { return nil }
        return NativeLayer(name: name, digest: diffID, hasOpaqueRoot: hasOpaqueRoot, limits: limits)
    }

    /// Where the bytes lie in a compressed archive, which is best read from front to back; nil where the order is
    /// all the same.
    var sequence: UInt64? {
        guard case .member(let layer, let archive) = bytes, archive.isSequential else { return nil }
        return layer.offset
    }

    /// A stream of the bytes.
    ///
    /// - Throws: ``ImageError`` where they have passed.
    func source(_ cancellation: Cancellation) throws(ImageError) -> any ByteSource {
        switch bytes {
        case .file(let file): return FileSource(file: file, cancellation: cancellation)
        case .member(let layer, let archive): return archive.layerSource(layer, cancellation: cancellation)
        case .pipe(let layer):
            guard let source = layer.take() else { throw hasPassed }
            return source
        case .passing(let member): return member
        case .passed(let member):
            guard case .kept(let file) = member else { throw hasPassed }
            return FileRangeSource(file: file, cancellation: cancellation)
        }
    }

    private var hasPassed: ImageError {
        ImageError(.io, "\(name) has passed and cannot be read again: import the archive from a file")
    }

    /// Reads all bytes and tells which they are.
    ///
    /// - Throws: `ArchiveError`, `ImageError`.
    func identify(_ cancellation: Cancellation) throws -> ImportedLayer.Bytes {
        let stream: any ByteSource =
            switch bytes {
            // Leaves the file's position to whoever reads it next.
            case .file(let file): FileRangeSource(file: file, cancellation: cancellation)
            default: try source(cancellation)
            }
        let source = DigestingSource(stream)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var compression: Archives.Compression?
        while case let count = try source.read(into: buffer), count > 0 {
            compression = compression ?? .detect(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        let (digest, count) = source.finish()
        return ImportedLayer.Bytes(digest: digest, count: count, compression: compression ?? .none)
    }

    /// Whether it is a native layer that was brought into the store as it passed.
    var wasTaken: Bool {
        if case .passed(.taken) = bytes { true } else { false }
    }

    /// What came of converting it as it passed; its image is put into a place. Nil where it is still to be read.
    ///
    /// - Throws: ``ImageError`` where it could not be converted, or is not what the store took it for.
    func converted(to image: FilePath) async throws -> LayerConverter.Result? {
        guard case .passed(let member) = bytes else { return nil }
        switch member {
        case .converted(let layer):
            try check(layer.conversion)
            try await onThread(named: "place-layer") { try layer.place(at: image, $0) }
            return layer.conversion
        case .failed(let error): throw error
        case .known(let diffID): throw mismatch(unpackedTo: diffID)
        case .kept, .taken, .passedOver: return nil
        }
    }

    /// Refuses a conversion whose digests are not those that were promised.
    func check(_ conversion: LayerConverter.Result) throws(ImageError) {
        if let digest, digest != conversion.digest { throw .mismatch(name, conversion.digest, digest) }
        if diffID != nil, diffID != conversion.diffID { throw mismatch(unpackedTo: conversion.diffID) }
    }

    private func mismatch(unpackedTo actual: Digest) -> ImageError {
        let promised = diffID.map { "the image's config says \($0)" } ?? "nobody promised that"
        return ImageError(
            .digestMismatch,
            "\(name) unpacks to a tar with the digest \(actual), but \(promised); save the image again"
        )
    }
}

extension ImageError {
    /// Bytes that are not those that were promised.
    static func mismatch(_ name: String, _ actual: Digest, _ promised: Digest) -> ImageError {
        ImageError(
            .digestMismatch,
            "\(name) has the digest \(actual), but \(promised) was promised for it; copy the file again or correct the "
                + "promise"
        )
    }
}
