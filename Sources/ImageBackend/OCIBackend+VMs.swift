import Host
import OCI
import Store
import SystemPackage

extension OCIBackend {
    /// The disks and boot files of each VM, in the order of `vms`, with paths derived from digests.
    ///
    /// - Throws: ``ImageError`` that names the VM and what is missing.
    public func config(_ vms: [VMImage]) async throws(ImageError) -> [VMConfiguration] {
        var configurations: [VMConfiguration] = []
        for vm in vms { configurations.append(try await configuration(of: vm)) }
        return configurations
    }

    private func configuration(of vm: VMImage) async throws(ImageError) -> VMConfiguration {
        let digest: Digest
        switch vm.selection {
        case .query(let query):
            guard let found = try await self.digest(of: query) else {
                throw ImageError(.notFound, "VM \(vm.name): there is no image \(query)", isTransient: true)
            }
            digest = found
        case .bound(let bound, _): digest = bound
        }
        guard let record = try await withStore("reading \(digest)", { try await store.imageRecord(digest) })
        else {
            throw ImageError(.notFound, "VM \(vm.name): the image it is bound to is gone from the store")
        }
        var keys = record.layers.map(\.key)
        if case .bound(_, let bound) = vm.selection { keys = bound }
        let blobs = try await blobs(keys)
        if let missing = Set(keys).subtracting(blobs.map(\.key)).min() {
            throw ImageError(
                .notFound,
                "VM \(vm.name): the store has lost layer \(missing) of \(record.digest)"
            )
        }
        let attached = AttachedLayers(try await withinGuestKernel(blobs, keys, of: record.digest))
        for blob in attached.disks {
            try require(configuration.blobPath(blob.key), size: blob.size, what: "layer \(blob.key)", for: vm)
        }
        let boot = BootSelection(attached.merged.map { ($0.key, $0.boot) }).map { selection in
            BootConfig(
                kernelPath: configuration.kernelPath(selection.kernel.layer, named: selection.kernel.name),
                initrdPath: configuration.initrdPath(selection.initrd.layer, named: selection.initrd.name)
            )
        }
        if let boot {
            try require(boot.kernelPath, size: nil, what: "the kernel", for: vm)
            try require(boot.initrdPath, size: nil, what: "the initramfs", for: vm)
        }
        return VMConfiguration(
            image: record.digest,
            keys: keys,
            storage: attached.disks.enumerated().map { position, blob in
                StorageConfig(
                    path: configuration.blobPath(blob.key),
                    isReadOnly: true,
                    serial: "layer\(position)"
                )
            },
            boot: boot,
            imageConfig: record.config
        )
    }

    /// A file the store vouches for has to be there, whole.
    private func require(_ path: FilePath, size: UInt64?, what: String, for vm: VMImage) throws(ImageError) {
        let status: FileStatus?
        do { status = try FileStatus.of(path) } catch { throw ImageError(error, during: "checking \(path)") }
        guard let status, status.kind == .regular, status.size > 0, size == nil || status.size == size else {
            throw ImageError(
                .notFound,
                "VM \(vm.name): \(what) is missing or damaged at \(path); run `slipway store verify`, then import the "
                    + "image again"
            )
        }
    }
}
