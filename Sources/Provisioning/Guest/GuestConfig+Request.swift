import OCI

extension GuestConfig {
    /// Where programs are looked for in an image that does not say (containerd, pkg/cri; Docker, `system.DefaultPathEnv`).
    private static let defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    /// `SIGRTMIN` on Linux, as programs see it.
    private static let firstRealTimeSignal = 34

    /// What a guest is told that runs an image for a request.
    ///
    /// - Parameters:
    ///   - identity: what tells this folder of VMs from all others, for addresses made up for interfaces.
    /// - Throws: what of the image cannot be handed to a program.
    init(
        _ request: VMRequest,
        _ execution: ImageConfig.Execution,
        identity: String
    ) throws(RequestFile.Problem) {
        for word in execution.arguments + execution.env + [execution.user, execution.workingDir]
        where word.utf8.contains(0) {
            throw RequestFile.Problem(
                reason: .bootInvalid,
                message: "the config of \(request.image) has a NUL byte in its command, environment, user or "
                    + "working directory, which no program can be given; build the image anew"
            )
        }
        arguments = execution.arguments
        environment = execution.env.filter { $0.contains("=") }
        if !environment.contains(where: { $0.hasPrefix("PATH=") }) {
            environment.insert(Self.defaultPath, at: 0)
        }
        let folder = execution.workingDir
        workingDirectory = folder.hasPrefix("/") ? folder : "/\(folder)"
        user = execution.user
        stopSignal = Self.signal(execution.stopSignal) ?? "TERM"
        hostname = request.hostname
        interfaces = (request.nets ?? []).enumerated().map { index, net in
            Interface(
                mac: net.mac ?? MACAddress(stableFor: request.name, interface: index, identity: identity),
                address: net.ip,
                gateway: net.gateway
            )
        }
        nameServers = request.dns ?? []
        mounts = (request.dataDisks ?? []).compactMap { disk in
            disk.mount.map { Mount(serial: disk.name, filesystem: "ext4", path: $0) }
        }
    }

    /// A signal as kill(1) of every shell takes it; nil for what is none. Images write `SIGQUIT`, `QUIT`, `3` and
    /// `SIGRTMIN+3`.
    private static func signal(_ text: String?) -> String? {
        guard var name = text?.uppercased() else { return nil }
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if name.hasPrefix("RTMIN") {
            let offset = Int(name.dropFirst(5)) ?? 0
            return (0...30).contains(offset) ? String(firstRealTimeSignal + offset) : nil
        }
        let isName = name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }
        return isName && !name.isEmpty ? name : nil
    }
}
