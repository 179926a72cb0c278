import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

/// contrib/systemd, with a stand-in for the hypervisor: no systemd runs here, so each test runs what the unit would, in
/// the unit's order.
@Suite("The systemd unit of a VM")
struct SystemdTests {
    @Test(
        "sweeps stale sockets, creates and boots the VM; its power button ends it, and its hypervisor with 0"
    )
    func life() async throws {
        let unit = try await Unit()
        for socket in ["run/api.sock", "root/vms/web-1/vsock.sock", "root/vms/web-1/serial.sock"] {
            try await check(
                "python3",
                [
                    "-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
                    unit.path(socket),
                ]
            )
        }
        // Only what is a socket goes.
        try unit.folder.write("guest's words", to: "root/vms/web-1/serial.log")
        try await unit.expect("clean", 0)
        #expect(
            try await unit.files() == [
                "config.json", "cow.raw", "initrd", "layer0.erofs", "serial.log", "vmlinuz",
            ]
        )
        #expect(try FileStatus.of(unit.folder.appending("run/api.sock")) == nil)

        async let hypervisor = unit.hypervisor(guest: "obeys")
        try await unit.expect("start", 0)
        #expect(try await unit.state() == "Running")
        // As any hypervisor's, its locks keep others from the writable disk, and writers from the layers.
        #expect(try unit.isLocked("cow.raw"))
        #expect(try unit.isLocked("layer0.erofs"))
        try await unit.expect("stop", 0)
        #expect(try await hypervisor.status == 0)
        // What the hypervisor had bound stays behind when it ends, until it is cleaned up.
        #expect(try await unit.files().contains("vsock.sock"))
        try await unit.expect("clean", 0)
        #expect(try await !unit.files().contains("vsock.sock"))
    }

    @Test("leaves a guest that does not listen to the unit after a time, and says so; the signal ends it")
    func deaf() async throws {
        let unit = try await Unit()
        async let hypervisor = unit.hypervisor(guest: "ignores")
        try await unit.expect("start", 0)
        let begin = ContinuousClock.now
        let said = try await unit.expect("stop", 0)
        #expect(ContinuousClock.now - begin >= .seconds(1))
        #expect(said.errors.contains("the guest did not power off within 1 seconds"))
        #expect(try await unit.state() == "Running")
        try await unit.endHypervisor("TERM")
        #expect(try await hypervisor.status == 0)
        #expect(try !unit.isLocked("cow.raw"))
    }

    @Test("comes up after its hypervisor was killed, whose sockets are in the way")
    func killed() async throws {
        let unit = try await Unit()
        async let first = unit.hypervisor(guest: "obeys")
        try await unit.expect("start", 0)
        try await unit.endHypervisor("KILL")
        #expect(try await first.status != 0)
        // systemd runs this for a service that ended by itself too.
        try await unit.expect("stop", 0)
        let blocked = try await unit.hypervisor(guest: "obeys")
        #expect(blocked.status == 1)
        #expect(blocked.errors.contains("Address already in use"))

        try await unit.expect("clean", 0)
        async let second = unit.hypervisor(guest: "obeys")
        try await unit.expect("start", 0)
        try await unit.expect("stop", 0)
        #expect(try await second.status == 0)
    }

    @Test(
        "fails where the config does not boot, with the hypervisor's reason, and leaves no VM in the hypervisor"
    )
    func doesNotBoot() async throws {
        let unit = try await Unit()
        try Directory.unlink(unit.folder.appending("root/vms/web-1/vmlinuz"))
        async let hypervisor = unit.hypervisor(guest: "obeys")
        let said = try await unit.expect("start", 1)
        #expect(said.errors.contains("vmlinuz"))
        #expect(try await unit.state() == nil)
        #expect(try !unit.isLocked("cow.raw"))
        // With the file back, the same hypervisor takes it.
        try unit.folder.write("kernel", to: "root/vms/web-1/vmlinuz")
        try await unit.expect("start", 0)
        try await unit.expect("stop", 0)
        #expect(try await hypervisor.status == 0)
    }

    @Test("fails where another hypervisor runs on the disk")
    func inUse() async throws {
        let unit = try await Unit()
        let other = try File(unit.folder.appending("root/vms/web-1/cow.raw"), .readWrite)
        #expect(try other.tryLock())
        async let hypervisor = unit.hypervisor(guest: "obeys")
        try await unit.expect("start", 1)
        try await unit.endHypervisor("TERM")
        #expect(try await hypervisor.status == 0)
        try other.unlock()
    }

    @Test("fails where no hypervisor answers; what it is not asked for properly is a usage error")
    func errors() async throws {
        let unit = try await Unit()
        let said = try await unit.expect("start", 1)
        #expect(said.errors.contains("does not answer"))
        try await unit.expect("stop", 0)
        try await unit.expect("restart", 64)
        #expect(try await unit.run([]).status == 64)
        #expect(try await unit.run(["start"]).status == 64)
    }

    @Test("is accepted by systemd, and so is the agent's")
    func verify() async throws {
        let folder = try TemporaryDirectory("units")
        for unit in ["slipway.service", "slipway-vm@.service"] {
            // What the units run need not be installed here.
            let text = String(
                decoding: try AtomicFile.read(GenericInitramfs.contrib.appending("systemd").appending(unit))
                    ?? [],
                as: UTF8.self
            )
            try folder.write(
                text.replacing(#/\/usr\/(lib\/slipway|bin)\/(slipway-vm|slipway|cloud-hypervisor)\b/#) { _ in
                    "/bin/true"
                },
                to: unit
            )
        }
        for unit in ["slipway.service", "slipway-vm@web-1.service"] {
            let file = folder.appending(unit.replacing("@web-1", with: "@"))
            let result = try await TestSupport.run("systemd-analyze", ["verify", "--man=no", file.string])
            #expect(result.status == 0 && result.errors.isEmpty, "\(unit): \(result.errors)")
        }
    }
}

/// What slipway-vm@web-1.service has around it: a VM's folder, a runtime directory, and the programs on PATH.
private struct Unit: Sendable {
    let folder: TemporaryDirectory

    init() async throws {
        folder = try TemporaryDirectory("unit")
        try Directory.create(folder.appending("run"))
        try Directory.create(folder.appending("bin"))
        let standIn = FilePath(#filePath).removingLastComponent().appending("Support/hypervisor_standin.py")
            .string
        for program in ["cloud-hypervisor", "ch-remote"] {
            // It knows by its name what it is.
            try await check("ln", ["-s", standIn, path("bin/\(program)")])
        }
        for file in ["vmlinuz", "initrd", "layer0.erofs", "cow.raw"] {
            try folder.write(file, to: "root/vms/web-1/\(file)")
        }
        func file(_ name: String) -> String { path("root/vms/web-1/\(name)") }
        try folder.write(
            """
            { "payload": { "kernel": "\(file("vmlinuz"))", "initramfs": "\(file("initrd"))", "cmdline": "" },
              "disks": [{ "path": "\(file("layer0.erofs"))", "readonly": true }, { "path": "\(file("cow.raw"))" }],
              "vsock": { "cid": 3, "socket": "\(file("vsock.sock"))" } }
            """,
            to: "root/vms/web-1/config.json"
        )
    }

    func path(_ name: String) -> String { folder.appending(name).string }

    private func environment(_ more: [String: String] = [:]) -> [String: String] {
        [
            "PATH": "\(path("bin")):/usr/bin:/bin", "SLIPWAY_ROOT": path("root"),
            "RUNTIME_DIRECTORY": path("run"),
            "SLIPWAY_VM_START_SECONDS": "5", "SLIPWAY_VM_STOP_SECONDS": "1",
        ].merging(more) { $1 }
    }

    /// Runs contrib/systemd/slipway-vm.
    func run(_ arguments: [String]) async throws -> CommandResult {
        try await TestSupport.run(
            GenericInitramfs.contrib.appending("systemd/slipway-vm").string,
            arguments,
            environment: environment()
        )
    }

    /// Runs one of its steps, which has to end so.
    @discardableResult
    func expect(_ step: String, _ status: Int32) async throws -> CommandResult {
        let result = try await run([step, "web-1"])
        #expect(result.status == status, "\(step): \(result.errors)")
        return result
    }

    /// Runs the hypervisor to its end.
    func hypervisor(guest: String) async throws -> CommandResult {
        // The process's number, for whoever ends it.
        let script = "echo $$ > \"$RUNTIME_DIRECTORY/pid\"; exec cloud-hypervisor --api-socket \"path=$0\""
        return try await TestSupport.run(
            "/bin/sh",
            ["-c", script, path("run/api.sock")],
            environment: environment(["GUEST": guest])
        )
    }

    /// Sends the hypervisor a signal.
    func endHypervisor(_ signal: String) async throws {
        let number = String(decoding: try folder.bytes(of: "run/pid"), as: UTF8.self)
        try await check("kill", ["-\(signal)", number.trimmingCharacters(in: .whitespacesAndNewlines)])
    }

    /// What the hypervisor says of its VM; nil where it has none.
    func state() async throws -> String? {
        let result = try await TestSupport.run(
            path("bin/ch-remote"),
            ["--api-socket", path("run/api.sock"), "info"]
        )
        guard result.status == 0 else { return nil }
        let info = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return info?["state"] as? String
    }

    func isLocked(_ name: String) throws -> Bool {
        try File.regular(folder.appending("root/vms/web-1/\(name)")).isLockedByAnother()
    }

    /// What lies in the VM's folder.
    func files() async throws -> [String] {
        try Directory.names(in: folder.appending("root/vms/web-1")).map(\.string).sorted()
    }
}
