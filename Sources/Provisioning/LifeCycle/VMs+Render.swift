import Host
import ImageBackend
import Logging
import OCI
import Snapshots
import Store
public import SystemPackage

extension FilePermissions {
    /// Folders of VMs: for the agent's user, readable by its group, which the hypervisor runs in.
    static var vmFolder: FilePermissions { FilePermissions(rawValue: 0o750) }
}

/// What the VMs of one batch have in common, so that it is found out once.
struct RenderCache {
    /// By what was asked for: a reference, or a binding.
    var images: [String: VMConfiguration] = [:]
    /// By image and boot files.
    var bootFindings: [BootKey: [BootFinding]] = [:]

    struct BootKey: Hashable {
        var image: Digest
        var boot: BootConfig
    }
}

extension VMs {
    /// Binds a VM if it is not bound, makes its disks if it has none, and publishes its config, in this order: whoever
    /// sees the config finds all that it names. Nothing is bound that no config can be made for.
    func render(_ request: VMRequest, _ binding: VMRecord?, _ step: inout VMPlan.Step) async throws {
        var cache = RenderCache()
        guard let vm = try await prepare(step, request, binding, &cache) else { return }
        for result in try await write([vm]) { _ = try result.get() }
    }

    /// Works out all that is to be written for a VM, without writing anything.
    ///
    /// - Returns: nil when the step names no request.
    func prepare(
        _ step: VMPlan.Step,
        _ request: VMRequest,
        _ binding: VMRecord?,
        _ cache: inout RenderCache
    ) async throws -> PreparedVM? {
        guard let digest = step.requestDigest, let file = step.file else { return nil }
        let made = try await config(for: request, binding, digest: digest, &cache)
        var record = VMRecord(
            name: request.name,
            request: file,
            requestDigest: digest,
            reference: request.image,
            image: made.image.image,
            keys: made.image.keys
        )
        record.merged = made.merged
        let wishes = settings.disks(of: request)
        let disks = try await snapshots.disks(
            request.name,
            parent: ChainID.of(record.keys.map(\.diffID)),
            wishes
        )
        var status = step.status(bound: record.image, isRunning: false)
        status.configDigest = Digest.sha256(of: made.config.bytes)
        status.layers = made.config.status
        let boot = try renderer().bootFiles(request, made.image)
        status.warnings = try await bootWarnings(request, made.image, boot: boot, &cache)
        return PreparedVM(
            step: step,
            status: status,
            lastStatus: statuses[request.name],
            machine: PreparedVM.Machine(
                record: record,
                isBound: record == binding,
                inputs: made.inputs,
                config: made.config.bytes,
                disks: disks,
                wishes: wishes,
                seed: try seed(for: request),
                guestDisk: try made.config.guest?.diskImage()
            )
        )
    }

    /// Binds, writes and publishes what was prepared.
    func write(_ vms: [PreparedVM]) async throws -> [Result<Void, any Error>] {
        var bound: [Result<Void, any Error>] = Array(repeating: .success(()), count: vms.count)
        let unbound = vms.indices.filter { vms[$0].machine?.isBound == false }
        do {
            try await store.setVMs(unbound.compactMap { vms[$0].machine?.record })
        } catch {
            // One of them cannot be; the others need not suffer for it.
            for index in unbound {
                guard let record = vms[index].machine?.record else { continue }
                do { try await store.setVM(record) } catch { bound[index] = .failure(error) }
            }
        }
        let good = vms.indices.filter { if case .success = bound[$0] { true } else { false } }
        let writer = VMWriter(settings: settings, timestamp: wallClock.timestamp())
        let chosen = good.map { vms[$0] }
        let written = try await onThread(named: "vm configs") { _ in writer.write(chosen) }
        for (index, result) in zip(good, written) {
            do { note(try result.get(), of: vms[index]) } catch { bound[index] = .failure(error) }
        }
        return bound
    }

    private func note(_ written: WrittenVM, of vm: PreparedVM) {
        statuses[vm.name] = written.status
        for (disks, what) in [(written.made, "made a disk"), (written.grown, "made a disk longer")] {
            for disk in disks {
                logger.info(
                    "\(what)",
                    metadata: ["vm": "\(vm.name)", "path": "\(disk.path)", "size": "\(disk.size)"]
                )
            }
        }
        if !written.remade.isEmpty {
            logger.warning(
                "made files of a VM again that somebody removed or changed",
                metadata: ["vm": "\(vm.name)", "files": "\(written.remade.joined(separator: ", "))"]
            )
        }
        guard let machine = vm.machine else { return }
        rendered[vm.name] = written.files.map { Rendered(inputs: machine.inputs, files: $0) }
    }

    /// The config that a request leads to, on the layers it is bound to or else on what its image is now. What cannot
    /// be is remembered, so as not to be tried in every pass.
    func config(
        for request: VMRequest,
        _ binding: VMRecord?,
        digest: Digest,
        _ cache: inout RenderCache
    ) async throws -> (
        image: VMConfiguration, inputs: VMObservation.Inputs, config: RenderedConfig, merged: Digest?
    ) {
        let image = try await configuration(request, binding, &cache)
        let inputs = VMObservation.Inputs(request: digest, image: image.image, keys: image.keys)
        do {
            let (config, merged) = try await renderWithLayers(request, image, binding)
            refused[request.name] = nil
            return (image, inputs, config, merged)
        } catch let problem as RequestFile.Problem {
            // Where links lead may change by itself, and merging ends by itself; all else only with the inputs.
            let isLasting = ![.pathNotAllowed, .layersMerging].contains(problem.reason)
            refused[request.name] =
                isLasting ? VMObservation.Refusal(inputs: inputs, problem: problem) : nil
            throw problem
        }
    }

    /// What may keep a VM from booting.
    ///
    /// - Throws: what certainly does, as a problem of the request. It is not remembered: a profile's kernel may be put
    ///   right at any time.
    private func bootWarnings(
        _ request: VMRequest,
        _ image: VMConfiguration,
        boot: BootConfig,
        _ cache: inout RenderCache
    ) async throws -> [String] {
        let key = RenderCache.BootKey(image: image.image, boot: boot)
        var findings: [BootFinding]
        if let known = cache.bootFindings[key] {
            findings = known
        } else {
            findings = try await images.bootFindings(image, boot: boot)
            cache.bootFindings[key] = findings
        }
        let arguments = request.kernelArguments?.split(separator: " ") ?? []
        if arguments.contains(where: { $0.hasPrefix("init=") }) {
            findings.removeAll { $0.code == .initMissing || $0.code == .nothingToRun }
        }
        if let error = findings.first(where: { $0.severity == .error }) {
            throw RequestFile.Problem(reason: .bootInvalid, message: error.message)
        }
        return findings.map(\.message)
    }

    private func configuration(
        _ request: VMRequest,
        _ binding: VMRecord?,
        _ cache: inout RenderCache
    ) async throws -> VMConfiguration {
        let selection: VMImage.Selection =
            binding.map { .bound(image: $0.image, keys: $0.keys) } ?? .query(request.image)
        let key = binding.map { "\($0.image) \($0.keys)" } ?? request.image
        if let known = cache.images[key] { return known }
        let found = try await images.config([VMImage(name: request.name, selection: selection)])
        guard let image = found.first else {
            throw ImageError(
                .notFound,
                "the image backend says nothing of \(request.image)",
                isTransient: true
            )
        }
        cache.images[key] = image
        return image
    }

    /// What cloud-init is given; its instance's id is known only beside the disks.
    private func seed(for request: VMRequest) throws -> CloudInitSeed? {
        guard let userData = request.userData else { return nil }
        let renderer = try renderer()
        return CloudInitSeed(
            userData: userData,
            instanceID: "",
            hostname: request.hostname ?? request.name,
            interfaces: (request.nets ?? []).enumerated().map { index, net in
                CloudInitSeed.Interface(
                    mac: renderer.macAddress(of: net, index, request),
                    ip: net.ip,
                    gateway: net.gateway
                )
            },
            dns: request.dns ?? []
        )
    }

    /// The bytes of `config.json` that a request file would lead to, without writing, binding or making anything.
    ///
    /// - Throws: ``VMError``.
    public func render(_ file: FilePath) async throws -> [UInt8] {
        do { return try await preview(of: file).config.bytes } catch { throw VMError(describing: error) }
    }

    /// Where each part of that config comes from, and how near it is to its limits.
    ///
    /// - Throws: ``VMError``.
    public func explain(_ file: FilePath) async throws -> [ConfigFact] {
        do {
            let (config, image, binding) = try await preview(of: file)
            guard let asked = try RequestFile.read(file, defaults: nil).request else { return [] }
            return ConfigExplanation(
                asked: asked,
                settings: settings,
                image: image,
                binding: binding,
                renderer: try renderer(),
                config: config
            ).facts
        } catch { throw VMError(describing: error) }
    }

    private func preview(
        of file: FilePath
    ) async throws -> (config: RenderedConfig, image: VMConfiguration, binding: VMRecord?) {
        let parsed = try RequestFile.read(file, defaults: settings.defaults)
        if case .problem(let problem) = parsed.content { throw problem }
        guard let request = parsed.request else { throw VMError.failed("\(file) is no request") }
        let binding = try await store.vm(request.name)
        var cache = RenderCache()
        let image = try await configuration(request, binding, &cache)
        return (try preview(request, image, binding, try renderer()), image, binding)
    }

    /// What tells this folder of VMs from that of another host with VMs of the same names. It moves with the folder.
    func identity() throws -> String {
        if let knownIdentity { return knownIdentity }
        let identity = try readIdentity()
        knownIdentity = identity
        return identity
    }

    private func readIdentity() throws -> String {
        let path = settings.identityFile
        if let bytes = try AtomicFile.read(path, limit: 4096), !bytes.isEmpty {
            return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        }
        try Directory.create(settings.vms, permissions: .vmFolder)
        let fresh = Digest(bytes: (0..<32).map { _ in UInt8.random(in: 0 ... .max) }).hex.prefix(32)
        try AtomicFile.write(Array("\(fresh)\n".utf8), to: path, permissions: settings.permissions)
        return String(fresh)
    }
}
