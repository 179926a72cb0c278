import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("What contrib has for guests and hosts")
struct ContribTests {
    private var contrib: FilePath { GenericInitramfs.contrib }

    @Test("shellcheck finds nothing in the scripts of guests")
    func shellcheck() async throws {
        let scripts = [
            "initramfs/build", "initramfs/init", "initramfs/leased", "guest/cocoon-overlay",
            "systemd/slipway-vm",
        ]
        try await check("shellcheck", ["--external-sources"] + scripts.map { contrib.appending($0).string })
    }

    @Test("the same kernel makes the same initramfs, and it holds what the init needs")
    func reproducible() async throws {
        let first = try await GenericInitramfs.shared()
        // Once from the package, once from the folder that is in it.
        let folder = try TemporaryDirectory("kernel")
        try await check("dpkg-deb", ["--extract", first.package.string, folder.path.string])
        let again = try TemporaryDirectory("initramfs")
        try await GenericInitramfs.build(into: again.path, kernel: folder.path)
        for file in ["vmlinuz", "initramfs"] {
            let one = try AtomicFile.read(first.kernel.removingLastComponent().appending(file))
            #expect(try AtomicFile.read(again.appending(file)) == one, "\(file)")
        }
    }

    @Test(
        "a VM that could not be created is deleted again; one that was is booted",
        arguments: [true, false]
    )
    func start(succeeds: Bool) async throws {
        let folder = try TemporaryDirectory("unit")
        try folder.write(
            """
            #!/bin/sh
            shift 2
            echo "$*" >> "$LOG"
            \(succeeds ? "" : "[ $1 != create ]")
            """,
            to: "bin/ch-remote"
        )
        let log = folder.appending("log")
        try await check("chmod", ["755", folder.appending("bin/ch-remote").string])
        let result = try await run(
            contrib.appending("systemd/slipway-vm").string,
            ["start", "web-1"],
            environment: [
                "PATH": "\(folder.appending("bin")):/usr/bin:/bin", "LOG": log.string, "SLIPWAY_ROOT": "/srv",
                "RUNTIME_DIRECTORY": folder.path.string,
            ]
        )
        let calls = String(decoding: try folder.bytes(of: "log"), as: UTF8.self).split(separator: "\n")
        #expect(result.status == (succeeds ? 0 : 1))
        #expect(calls == ["ping", "create /srv/vms/web-1/config.json", succeeds ? "boot" : "delete"])
    }

    @Test("systemd accepts the units")
    func units() async throws {
        let folder = try TemporaryDirectory("units")
        for unit in ["slipway.service", "slipway-vm@.service"] {
            // What the units run need not be installed here.
            let text = String(
                decoding: try AtomicFile.read(contrib.appending("systemd").appending(unit)) ?? [],
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
            let result = try await run("systemd-analyze", ["verify", "--man=no", file.string])
            #expect(result.status == 0 && result.errors.isEmpty, "\(unit): \(result.errors)")
        }
    }
}
