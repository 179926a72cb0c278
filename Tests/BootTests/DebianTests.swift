import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

/// contrib/demo-image makes a Debian root with its own kernel, and an initramfs with contrib/guest's script.
@Suite("An image with its own kernel, initramfs and init boots")
struct DebianTests {
    /// A layer with a unit of systemd that says what it sees, and powers off.
    private var proof: [UInt8] {
        var tar = TarBuilder()
        tar.addFile(
            "usr/lib/systemd/system/proof.service",
            """
            [Unit]
            Description=What a test wants to know
            [Service]
            Type=oneshot
            StandardOutput=tty
            TTYPath=/dev/console
            ExecStart=/usr/bin/proof
            ExecStopPost=/usr/bin/systemctl --no-block poweroff

            """
        )
        tar.addSymbolicLink(
            "etc/systemd/system/multi-user.target.wants/proof.service",
            to: "/usr/lib/systemd/system/proof.service"
        )
        tar.addFile(
            "usr/bin/proof",
            """
            #!/bin/sh
            echo "PROOF init $(cat /proc/1/comm)"
            echo "PROOF motd $(cat /etc/motd)"
            echo "PROOF hostname $(cat /proc/sys/kernel/hostname)"
            [ -e /etc/issue.net ] || echo PROOF issue.net is deleted
            echo "PROOF docs $(ls /usr/share/doc | wc -l)"
            echo "PROOF modes $(stat -c %a /tmp /usr /root | xargs)"
            dpkg --verify libc6 coreutils dpkg systemd | grep -v ' /usr/share/doc/' && echo PROOF files are damaged
            echo boot >> /var/lib/boots
            echo "PROOF boots $(wc -l < /var/lib/boots)"

            """,
            mode: 0o755
        )
        return tar.finish()
    }

    @Test("Debian, from dropped tars to systemd; its packages are whole, and what it writes stays")
    func debian() async throws {
        let installation = try Installation()
        let image = installation.folder.appending("demo.image")
        try Directory.create(image)
        try await check(GenericInitramfs.contrib.appending("demo-image").string, [image.string])
        try installation.folder.write(proof, to: "demo.image/20-proof.tar")
        try Directory.rename(image, to: installation.root.appending("inbox/demo.image"))
        try installation.drop(
            Array(
                """
                { "image": "localhost/demo", "memory": "512MiB", "disk": { "size": "1GiB" }, "hostname": "shown-1",
                  "kernel": { "args": "quiet mitigations=off" } }
                """.utf8
            ),
            into: "requests/demo.json"
        )
        let agent = try await installation.slipway("agent", "--once")
        try #require(agent.status == 0, "\(agent.errors)")
        // Nothing is found to be wrong with what does boot.
        #expect(try installation.document("vms/demo/status.json")?["warnings"] == nil)
        let machine = try Machine("demo", of: installation)
        let first = try await machine.boot()
        for line in [
            "init systemd", "motd Stocked by Slipway.", "hostname shown-1", "issue.net is deleted", "docs 0",
            "modes 1777 755 700", "boots 1",
        ] {
            #expect(first.contains("PROOF \(line)\n"), "PROOF \(line) is not in:\n\(first)")
        }
        #expect(!first.contains("PROOF files are damaged"), "\(first)")
        #expect(try await machine.boot().contains("PROOF boots 2\n"))
    }
}
