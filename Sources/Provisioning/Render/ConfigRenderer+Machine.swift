import CloudHypervisor
import ImageBackend
import Snapshots
import SystemPackage

extension ConfigRenderer {
    /// Everything but the disks.
    func machine(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ layers: LayerDisks,
        _ rendered: inout RenderedConfig
    ) throws(RequestFile.Problem) -> VmConfig {
        let folder = settings.folder(of: request.name)
        let cpus = try processors(request)
        var config = VmConfig(
            cpus: cpus,
            memory: memory(request),
            payload: try payload(request, image, layers, &rendered),
            serial: VmConfig.Console(mode: serial(request, folder)),
            console: VmConfig.Console(mode: console(request, folder))
        )
        for (index, net) in (request.nets ?? []).enumerated() {
            config.nets.append(try interface(net, index, of: request, bootCPUs: Int(cpus.boot)))
        }
        config.vsock = request.vsockCID.map { VmConfig.Vsock(cid: $0, socket: folder.vsockSocket.string) }
        config.watchdog = request.watchdog ?? false
        return config
    }

    private func processors(_ request: VMRequest) throws(RequestFile.Problem) -> VmConfig.CPUs {
        let boot = request.cpus ?? VMSettings.Fallback.cpus
        let most = request.maxCpus ?? boot
        guard most >= boot else {
            throw RequestFile.Problem(
                reason: .requestInvalid,
                message:
                    "maxCpus is \(most), less than the \(boot) cpus that vms.defaults gives; write 'cpus' too"
            )
        }
        return VmConfig.CPUs(boot: UInt32(boot), max: UInt32(most))
    }

    private func memory(_ request: VMRequest) -> VmConfig.Memory {
        var memory = VmConfig.Memory(size: request.memory.size ?? VMSettings.Fallback.memory)
        memory.usesHugePages = request.memory.usesHugePages ?? false
        memory.isShared = request.memory.isShared ?? false
        memory.hotplugSize = request.memory.hotplugSize
        return memory
    }

    private func interface(
        _ net: VMRequest.Net,
        _ index: Int,
        of request: VMRequest,
        bootCPUs: Int
    ) throws(RequestFile.Problem) -> VmConfig.Net {
        var device = VmConfig.Net(
            id: "net\(index)",
            tap: net.tap,
            mac: macAddress(of: net, index, request).description
        )
        if let pairs = net.queuePairs {
            guard pairs <= bootCPUs else {
                throw RequestFile.Problem(
                    reason: .requestInvalid,
                    message:
                        "nets[\(index)].queues is \(pairs), and a VM that boots with \(bootCPUs) cpus has at most "
                        + "as many pairs of queues"
                )
            }
            device.queues = UInt16(2 * pairs)
        } else if net.tap == nil {
            // A tap that the host made takes several queues only if it was made for that.
            device.queues = 2 * Queues.count(bootCPUs: bootCPUs)
        }
        return device
    }

    /// An interface's address, made up where the request gives none.
    func macAddress(of net: VMRequest.Net, _ index: Int, _ request: VMRequest) -> MACAddress {
        net.mac ?? MACAddress(stableFor: request.name, interface: index, identity: identity)
    }

    private func serial(_ request: VMRequest, _ folder: VMFolder) -> VmConfig.Console.Mode {
        switch request.serial ?? .file {
        case .off: .off
        case .null: .null
        case .pty: .pty
        case .tty: .tty
        case .file: .file(folder.serialLog.string)
        case .socket: .socket(folder.serialSocket.string)
        }
    }

    private func console(_ request: VMRequest, _ folder: VMFolder) -> VmConfig.Console.Mode {
        switch request.console ?? .off {
        case .off: .off
        case .null: .null
        case .pty: .pty
        case .tty: .tty
        case .file: .file(folder.consoleLog.string)
        }
    }
}
