import Foundation
import Host
import SystemPackage
import TestSupport

/// Boots a rendered config in QEMU: what Cloud Hypervisor would be given, in QEMU's words. Emulated, so that it runs on
/// machines without KVM.
struct Machine: Sendable {
    /// How long a guest may take to power off.
    private static let patience = "240"

    /// Where it was rendered; it lives as long as this does.
    let installation: Installation
    private let arguments: [String]
    private let log: FilePath
    private let monitor: FilePath

    /// Reads `vms/NAME/config.json`, which has to be one that boots.
    init(_ name: String, of installation: Installation) throws {
        self.installation = installation
        guard let config = try installation.config(of: name) else {
            let status = try installation.document("vms/\(name)/status.json")
            throw CommandFailure(description: "\(name) has no config: \(status ?? [:])")
        }
        let translation = Translation(config)
        log = FilePath(try translation.text("serial", "file"))
        monitor = log.removingLastComponent().appending("monitor.sock")
        arguments =
            try [
                "-machine", "q35,accel=tcg", "-cpu", "qemu64", "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot",
                "-smp", "\(translation.number("cpus", "boot_vcpus"))",
                "-m", "\(translation.number("memory", "size") >> 20)",
                "-kernel", translation.text("payload", "kernel"),
                "-initrd", translation.text("payload", "initramfs"),
                "-append", translation.text("payload", "cmdline"),
                "-serial", "file:\(log)",
                "-monitor", "unix:\(monitor),server=on,wait=off",
            ] + translation.disks() + translation.nets()
    }

    /// Boots the machine, waits until it has powered off, and returns what it wrote to its serial port.
    ///
    /// - Parameter meanwhile: what to do while it runs.
    func boot(_ meanwhile: @escaping @Sendable (Machine) async throws -> Void = { _ in }) async throws
        -> String
    {
        async let ended = run("timeout", [Self.patience, "qemu-system-x86_64"] + arguments)
        try await meanwhile(self)
        let result = try await ended
        guard result.status == 0 else {
            throw CommandFailure(
                description: "QEMU ended with \(result.status): \(result.errors)\n\(try console())"
            )
        }
        return try console()
    }

    /// What the guest wrote to its serial port so far.
    func console() throws -> String {
        String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self).replacing("\r\n", with: "\n")
    }

    /// Presses the power button.
    func pressPowerButton() async throws {
        let program = """
            import socket, sys, time
            monitor = socket.socket(socket.AF_UNIX)
            monitor.connect(sys.argv[1])
            monitor.recv(4096)
            monitor.sendall(b"system_powerdown\\n")
            time.sleep(0.5)
            """
        try await check("python3", ["-c", program, monitor.string])
    }
}

/// The parts of a config that QEMU takes as well.
private struct Translation {
    private let config: [String: Any]

    init(_ config: [String: Any]) { self.config = config }

    func text(_ path: String...) throws -> String {
        guard let text = value(path) as? String else {
            throw CommandFailure(description: "the config has no text \(path)")
        }
        return text
    }

    func number(_ path: String...) throws -> Int {
        guard let number = value(path) as? Int else {
            throw CommandFailure(description: "the config has no number \(path)")
        }
        return number
    }

    private func value(_ path: [String]) -> Any? {
        path.reduce(config as Any?) { ($0 as? [String: Any])?[$1] }
    }

    /// All disks in their order, on functions of slots 4 and up: there are more than slots.
    func disks() throws -> [String] {
        let disks = config["disks"] as? [[String: Any]] ?? []
        return try disks.enumerated().flatMap { index, disk in
            guard let path = disk["path"] as? String, let serial = disk["serial"] as? String,
                disk["image_type"] as? String == "Raw"
            else { throw CommandFailure(description: "a disk without path, serial or type: \(disk)") }
            let mode = disk["readonly"] as? Bool == true ? "on" : "off"
            let place = "addr=0x\(String(4 + index / 8, radix: 16)).\(index % 8),multifunction=on"
            return [
                "-drive", "if=none,id=disk\(index),file=\(path),format=raw,readonly=\(mode)",
                "-device", "virtio-blk-pci,drive=disk\(index),serial=\(serial),\(place)",
            ]
        }
    }

    /// All interfaces, in a network of QEMU's own that leads nowhere.
    func nets() -> [String] {
        let nets = config["net"] as? [[String: Any]] ?? []
        return nets.enumerated().flatMap { index, net in
            [
                "-netdev", "user,id=net\(index),restrict=on",
                "-device",
                "virtio-net-pci,netdev=net\(index),mac=\(net["mac"] as? String ?? ""),addr=0x\(2 + index).0",
            ]
        }
    }
}
