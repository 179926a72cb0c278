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
            echo boot >> /srv/data/boots
            echo "PROOF boots on data $(wc -l < /srv/data/boots)"
            # What a file system of the size has for files, in MiB.
            for folder in / /srv/data; do
                echo "PROOF size of $folder $(($(stat -f -c '%b * %S' "$folder") >> 20))"
            done

            """,
            mode: 0o755
        )
        return tar.finish()
    }

    private func request(disk: String, data: String) -> [UInt8] {
        Array(
            """
            { "image": "localhost/demo", "memory": "512MiB", "disk": { "size": "\(disk)" }, "hostname": "shown-1",
              "dataDisks": [{ "name": "data", "size": "\(data)", "mount": "/srv/data" }],
              "kernel": { "args": "quiet mitigations=off" } }
            """.utf8
        )
    }

    /// What the guest said of a folder's size, in MiB.
    private func size(of folder: String, on console: String) throws -> Int {
        let words = "PROOF size of \(folder) "
        let line = console.split(separator: "\n").first { $0.hasPrefix(words) }
        return try #require(line.flatMap { Int($0.dropFirst(words.count)) }, "\(console)")
    }

    @Test(
        "Debian, from dropped tars to systemd; its packages are whole, what it writes stays, and its disks grow in it"
    )
    func debian() async throws {
        let installation = try Installation()
        let image = installation.folder.appending("demo.image")
        try Directory.create(image)
        try await check(GenericInitramfs.contrib.appending("demo-image").string, [image.string])
        try installation.folder.write(proof, to: "demo.image/20-proof.tar")
        try Directory.rename(image, to: installation.root.appending("inbox/demo.image"))
        try installation.drop(request(disk: "256MiB", data: "64MiB"), into: "requests/demo.json")
        let agent = try await installation.slipway("agent", "--once")
        try #require(agent.status == 0, "\(agent.errors)")
        // Nothing is found to be wrong with what does boot.
        #expect(try installation.document("vms/demo/status.json")?["warnings"] == nil)
        let machine = try Machine("demo", of: installation)
        let first = try await machine.boot()
        for line in [
            "init systemd", "motd Stocked by Slipway.", "hostname shown-1", "issue.net is deleted", "docs 0",
            "modes 1777 755 700", "boots 1", "boots on data 1",
        ] {
            #expect(first.contains("PROOF \(line)\n"), "PROOF \(line) is not in:\n\(first)")
        }
        #expect(!first.contains("PROOF files are damaged"), "\(first)")
        #expect(try (150..<256).contains(size(of: "/", on: first)))
        #expect(try (30..<64).contains(size(of: "/srv/data", on: first)))

        try installation.drop(request(disk: "1GiB", data: "512MiB"), into: "requests/demo.json")
        let later = try await installation.slipway("agent", "--once")
        try #require(later.status == 0, "\(later.errors)")
        let second = try await machine.boot()
        #expect(second.contains("PROOF boots 2\n"), "\(second)")
        #expect(second.contains("PROOF boots on data 2\n"), "\(second)")
        #expect(try (900..<1024).contains(size(of: "/", on: second)), "\(second)")
        #expect(try (400..<512).contains(size(of: "/srv/data", on: second)), "\(second)")
    }
}
