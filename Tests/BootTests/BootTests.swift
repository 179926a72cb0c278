import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

/// Real images, a real agent, a real kernel: what a rendered config leads to is asked of the guest itself.
@Suite("A rendered config boots", .serialized)
struct BootTests {
    @Test(
        "and runs the image's entrypoint as its user, in its folder, with its environment; the exit code is told"
    )
    func entrypoint() async throws {
        let image = try await UmociImage(
            [try GuestTree.base().finish()],
            config: [
                "--config.entrypoint=sh", "--config.entrypoint=-c",
                "--config.entrypoint=id; pwd; echo \"TEXT=$TEXT HOME=$HOME PATH=$PATH\"; printf '<%s>' \"$0\" \"$@\";"
                    + " echo; hostname; cat /etc/resolv.conf; ip -4 -o address show eth0;"
                    + " ip route; echo again > /dev/stdout; exit 7",
                "--config.cmd=one", "--config.cmd=two words", "--config.cmd=it's $HOME",
                "--config.env=TEXT=a 'b' $c", "--config.workingdir=/srv/made/here", "--config.user=web",
            ]
        )
        let machine = try await Machine.asked(
            for: image,
            request: """
                , "hostname": "web-1", "dns": ["10.9.0.53"],
                "nets": [{ "mac": "52:54:00:12:34:56", "ip": "10.9.0.2/24", "gateway": "10.9.0.1" }]
                """
        )
        let console = try await machine.boot()
        for line in [
            "uid=101(web) gid=102(www) groups=200(logs),201(media)", "/srv/made/here",
            "TEXT=a 'b' $c HOME=/srv/web PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "<one><two words><it's $HOME>", "web-1", "nameserver 10.9.0.53", "again",
            "slipway: the command ended with exit code 7",
        ] {
            #expect(console.split(separator: "\n").contains { $0 == line }, "\(line) is not in:\n\(console)")
        }
        #expect(console.contains("inet 10.9.0.2/24"))
        #expect(console.contains("default via 10.9.0.1 dev eth0"))
    }

    @Test(
        "with the tree that umoci unpacks: whiteouts, an opaque folder, implied folders; what is written stays"
    )
    func whiteouts() async throws {
        let script = """
            list-tree; mkdir -p /state; echo boot >> /state/boots; wc -l < /state/boots;
            cat /etc/conf.d/own 2> /dev/null; echo mine > /etc/conf.d/own; busybox rm -f /etc/replaced
            """
        let image = try await UmociImage(
            try GuestTree.stack(),
            config: ["--config.cmd=sh", "--config.cmd=-c", "--config.cmd=\(script)"]
        )
        let machine = try await Machine.asked(for: image)
        let first = try await machine.boot()
        #expect(try await GuestTree.differences(of: first, from: image.unpacked()) == [])
        #expect(first.contains("\n1\n"), "\(first)")
        let second = try await machine.boot()
        #expect(second.contains("\n2\nmine\n"), "\(second)")
        let seen = try GuestTree.listed(on: second)
        #expect(seen.contains { $0.hasSuffix(" ./etc/conf.d/own") })
        #expect(!seen.contains { $0.hasSuffix(" ./etc/replaced") })
        // The file system was unmounted: nothing had to be recovered.
        let disk = machine.installation.root.appending("vms/app/cow.raw").string
        #expect(try await check("dumpe2fs", ["-h", disk]).contains("Filesystem state:         clean"))
    }

    @Test("with 40 layers")
    func manyLayers() async throws {
        var layers = [try GuestTree.base().finish()]
        for number in 1..<40 {
            var layer = TarBuilder()
            layer.addFile("etc/layer-\(number)", "layer \(number)")
            layer.addFile("etc/last", "layer \(number)")
            if number > 1 { layer.addFile("etc/.wh.layer-\(number - 1)", "") }
            layers.append(layer.finish())
        }
        let image = try await UmociImage(layers, config: ["--config.cmd=list-tree"])
        let machine = try await Machine.asked(for: image)
        let disks = try machine.installation.config(of: "app")?["disks"] as? [Any]
        #expect(disks?.count == 42)
        let console = try await machine.boot()
        #expect(try await GuestTree.differences(of: console, from: image.unpacked()) == [])
    }

    @Test("and the power button stops the entrypoint by the image's own signal")
    func powerButton() async throws {
        let image = try await UmociImage(
            [try GuestTree.base().finish()],
            config: [
                "--config.cmd=sh", "--config.cmd=-c",
                "--config.cmd=trap 'echo asked to quit; exit 3' QUIT; echo is up; while :; do sleep 1; done",
                "--config.stopsignal=SIGQUIT",
            ]
        )
        let machine = try await Machine.asked(for: image)
        let console = try await machine.boot { machine in
            try await eventually("the guest to be up") { try machine.console().contains("is up") }
            try await machine.pressPowerButton()
        }
        #expect(console.contains("asked to quit"), "\(console)")
        #expect(console.contains("slipway: the command ended with exit code 3"))
    }

    @Test("an interface without an address asks for one where ip=dhcp says so")
    func dhcp() async throws {
        let image = try await UmociImage(
            [try GuestTree.base().finish()],
            config: [
                "--config.cmd=sh", "--config.cmd=-c", "--config.cmd=ip -4 -o address show eth0; ip route",
            ]
        )
        let machine = try await Machine.asked(for: image, request: #", "nets": [{}]"#, arguments: "ip=dhcp")
        // QEMU's own network gives the first guest this one.
        #expect(try await machine.boot().contains("inet 10.0.2.15/24"))
    }

    @Test(
        "and an image whose command is only a shell runs its own init, as PID 1; one with neither runs the shell",
        arguments: [("sbin/init", "init is 1"), ("etc/init-is-elsewhere", "a shell is not 1")]
    )
    func ownInit(place: String, expected: String) async throws {
        var tar = try GuestTree.base()
        tar.addDirectory("sbin")
        tar.addFile(place, "#!/bin/sh\necho init is $$\nbusybox poweroff -f\n", mode: 0o755)
        // An interactive shell reads the file that ENV names.
        tar.addFile("etc/shellrc", "[ $$ = 1 ] || echo a shell is not 1\nexit 0\n")
        let image = try await UmociImage(
            [tar.finish()],
            config: ["--config.cmd=sh", "--config.env=ENV=/etc/shellrc"]
        )
        let machine = try await Machine.asked(for: image)
        #expect(try await machine.boot().contains(expected))
    }

    @Test("or says on the console what is missing, and powers off")
    func failure() async throws {
        let image = try await UmociImage(
            [try GuestTree.base().finish()],
            config: ["--config.cmd=/no/such/program", "--config.user=nobody-knows"]
        )
        let machine = try await Machine.asked(for: image)
        let console = try await machine.boot()
        #expect(console.contains("slipway: the image has no user 'nobody-knows' in /etc/passwd"))
        #expect(console.contains("slipway: the command ended with exit code 126"))
    }
}
