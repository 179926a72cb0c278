import Documents
import EROFS
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("What a guest is told")
struct GuestConfigTests {
    private func guest(_ request: String = "", _ image: String = "{}") throws -> GuestConfig {
        try GuestConfig(
            try parsed(request),
            try ImageConfig.Execution(imageConfig: Array(#"{"config": \#(image)}"#.utf8)),
            identity: "host-1"
        )
    }

    private func parsed(_ text: String) throws -> VMRequest {
        try request("image: a\n\(text)")
    }

    @Test("comes from the image and the request")
    func document() throws {
        let guest = try guest(
            """
            hostname: web-1
            nets: [{ mac: '52:54:00:12:34:56', ip: 10.0.0.2/24, gateway: 10.0.0.1 }, { mac: '52:54:00:00:00:01' }]
            dns: [10.0.0.53]
            """,
            """
            {"Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["nginx", "-g", "daemon off;"], "User": "web:www",
             "Env": ["PATH=/bin", "TEXT=it's\\nfine"], "WorkingDir": "/srv", "StopSignal": "SIGQUIT"}
            """
        )
        #expect(
            guest.json
                == (try json(
                    """
                    {"schema": 1, "argv": ["/docker-entrypoint.sh", "nginx", "-g", "daemon off;"],
                     "env": ["PATH=/bin", "TEXT=it's\\nfine"], "cwd": "/srv", "user": "web:www",
                     "stopSignal": "QUIT", "mounts": [],
                     "network": {"hostname": "web-1", "nameServers": ["10.0.0.53"], "interfaces": [
                        {"mac": "52:54:00:12:34:56", "address": "10.0.0.2/24", "gateway": "10.0.0.1"},
                        {"mac": "52:54:00:00:00:01"}]}}
                    """
                ))
        )
    }

    @Test("of an image that says nothing is what engines assume")
    func defaults() throws {
        let guest = try guest()
        #expect(guest.arguments == [] && guest.user == "" && guest.workingDirectory == "/")
        #expect(
            guest.environment == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        )
        #expect(guest.stopSignal == "TERM")
    }

    @Test(
        "names the signal to stop as every shell takes it",
        arguments: [
            ("SIGINT", "INT"), ("quit", "QUIT"), ("9", "9"), ("SIGRTMIN+3", "37"), ("RTMIN", "34"),
            ("; reboot", "TERM"), ("SIGRTMIN+99", "TERM"), ("", "TERM"),
        ]
    )
    func signals(_ written: String, _ expected: String) throws {
        #expect(try guest("", #"{"StopSignal": "\#(written)"}"#).stopSignal == expected)
    }

    @Test("is refused where a program could not be given it")
    func nul() throws {
        let problem = try #require(throws: RequestFile.Problem.self) {
            try guest("", #"{"Cmd": ["a\u0000b"]}"#)
        }
        #expect(problem.reason == .bootInvalid)
    }

    @Test("reaches a shell word for word, whatever the words")
    func shell() async throws {
        var guest = GuestConfig()
        guest.arguments = [
            "", "a b", "it's", "'", "''", "$(id) `id` \\", "line\nline\n", "*", "ü", "-n", "\t",
        ]
        guest.environment = ["A='", "B=$A"]
        guest.user = "o'neill"
        guest.mounts = [
            .init(serial: "a", filesystem: "ext4", path: "/x y"),
            .init(serial: "b", filesystem: "ext4", path: "/z"),
        ]
        let folder = try TemporaryDirectory("guest")
        let file = try folder.write(guest.shell, to: "config.sh")
        for shell in [["busybox", "sh"], ["dash"], ["bash", "--posix"]] {
            let script = """
                . "$1"
                words() { for word in "$@"; do printf '%s\\0' "$word"; done; }
                slipway_with_command words
                words END
                slipway_with_environment words
                words "$slipway_user"
                slipway_each_mount words
                slipway_each_interface words
                """
            let output = try await check(shell[0], shell.dropFirst() + ["-c", script, "sh", file.string])
            let expected =
                guest.arguments + ["END"] + guest.environment
                + ["o'neill", "a", "ext4", "/x y", "b", "ext4", "/z"]
            #expect(
                output.split(separator: "\0", omittingEmptySubsequences: false).dropLast().map(String.init)
                    == expected,
                "\(shell)"
            )
        }
    }

    @Test("lies on a disk that fsck.erofs accepts, with both forms, for root only; always the same bytes")
    func disk() async throws {
        let guest = try guest("hostname: web-1", #"{"Cmd": ["sh"]}"#)
        let folder = try TemporaryDirectory("guest")
        let image = try folder.write(try guest.diskImage(), to: "slipway.erofs")
        try await check("fsck.erofs", [image.string])
        #expect(try guest.diskImage() == folder.bytes(of: "slipway.erofs"))
        let reader = try ImageReader(file: try File.regular(image))
        #expect(reader.superblock.minimumKernel == .oldest)
        let names = try reader.entries(of: try reader.inode(reader.root)).map {
            String(decoding: $0.name, as: UTF8.self)
        }
        #expect(names == ["config.json", "config.sh"])
        let mount = try await KernelMount.erofs(image)
        #expect(
            try AtomicFile.read(mount.path.appending("config.json")) == guest.json.serialized(pretty: true)
        )
        #expect(try AtomicFile.read(mount.path.appending("config.sh")) == Array(guest.shell.utf8))
        for name in names {
            #expect(try FileStatus.of(mount.path.appending(name))?.permissions.rawValue == 0o400)
        }
    }
}
