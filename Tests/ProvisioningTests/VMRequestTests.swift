import Documents
import Snapshots
import Testing

@testable import Provisioning

@Suite("A VM request")
struct VMRequestTests {
    @Test("needs nothing but an image; the file's name makes the VM's")
    func minimal() throws {
        let parsed = try request("image: docker.io/library/nginx:1.27", file: "web-1.v2.yaml")
        var expected = VMRequest(name: "web-1.v2", image: "docker.io/library/nginx:1.27")
        #expect(parsed == expected)
        expected.name = "other"
        #expect(
            try request(#"{"image": "docker.io/library/nginx:1.27", "name": "other"}"#, file: "x.json")
                == expected
        )
    }

    @Test("says all that can be asked for, in YAML and in JSON alike")
    func full() throws {
        let yaml = """
            name: web-1
            image: nginx
            pull: never
            cpus: 2
            maxCpus: 4
            memory: 1GiB
            hugepages: true
            disk: { size: 20GiB }
            nets:
              - { tap: tap0, mac: "52:54:00:12:34:56", ip: 10.0.0.2/24, gateway: 10.0.0.1 }
              - {}
            dns: [10.0.0.1, 10.0.0.53]
            hostname: web-1.example
            vsock: { cid: 12 }
            console: { mode: Pty }
            kernel: { profile: default, args: quiet loglevel=3 }
            cloudHypervisor: { watchdog: true }
            """
        let parsed = try request(yaml)
        #expect(parsed.cpus == 2)
        #expect(parsed.maxCpus == 4)
        #expect(parsed.memory.size == 1 << 30)
        #expect(parsed.memory.usesHugePages == true)
        #expect(parsed.diskSize == 20 << 30)
        let nets = try #require(parsed.nets)
        #expect(nets.count == 2)
        #expect(nets[0].mac?.description == "52:54:00:12:34:56")
        #expect(nets[0].ip?.mask.description == "255.255.255.0")
        #expect(parsed.dns?.map(\.description) == ["10.0.0.1", "10.0.0.53"])
        #expect(parsed.vsockCID == 12)
        #expect(parsed.console == .pty)
        #expect(parsed.pull == .never)
        #expect(parsed.patch == ["watchdog": true])
        let document = try Document.parse(Array(yaml.utf8), file: "web.yaml", format: .yaml)
        #expect(try request(document.jsonValue.text, file: "web.json") == parsed)
    }

    @Test("with an unknown key is refused with the place and the nearest valid key")
    func unknownKey() {
        #expect(
            refusal("image: a\ncpu: 2\n") == "requests/web.yaml:2:1: cpu: unknown key; did you mean 'cpus'?"
        )
        #expect(refusal("image: a\nnets:\n  - tab: tap0\n")?.contains("web.yaml:3:5") == true)
        #expect(refusal("image: a\nnets:\n  - tab: tap0\n")?.contains("'tap'") == true)
    }

    @Test("with user data keeps it out of everything that is printed")
    func userDataIsSecret() throws {
        let text = "image: a\nuserData: |\n  #cloud-config\n  password: hunter2\n"
        let parsed = try request(text)
        #expect(parsed.userData?.text == "#cloud-config\npassword: hunter2\n")
        #expect(!"\(parsed)".contains("hunter2"))
        #expect(!String(reflecting: parsed).contains("hunter2"))
        var dumped = ""
        dump(parsed, to: &dumped)
        #expect(!dumped.contains("hunter2"))
        for bad in ["userData: [hunter2]", "userData: { a: hunter2 }", #"userData: "hunter2\u0007""#] {
            let message = try #require(refusal("image: a\n\(bad)\n"))
            #expect(message.contains("userData"), "\(message)")
            #expect(!message.contains("hunter2"), "\(message)")
        }
    }

    @Test("takes memory as a size, or as a mapping with all that can be said of it")
    func memory() throws {
        let parsed = try request(
            "image: a\nmemory: { size: 2GiB, hugepages: true, shared: true, hotplugSize: 4GiB }"
        )
        #expect(parsed.memory.size == 2 << 30)
        #expect(parsed.memory.usesHugePages == true)
        #expect(parsed.memory.isShared == true)
        #expect(parsed.memory.hotplugSize == 4 << 30)
        #expect(try request("image: a\nmemory: 2GiB\nhugepages: true").memory.usesHugePages == true)
    }

    @Test("names data disks with their size, what is on them and where the guest mounts them")
    func dataDisks() throws {
        let parsed = try request(
            """
            image: a
            dataDisks:
              - { name: pgdata, size: 20GiB, filesystem: ext4, mount: /var/lib/pg }
              - { name: raw-1, size: 64MiB, filesystem: none, direct: false }
            """
        )
        var first = VMRequest.DataDisk(name: "pgdata", size: 20 << 30)
        first.mount = "/var/lib/pg"
        var second = VMRequest.DataDisk(name: "raw-1", size: 64 << 20)
        second.content = .none
        second.isDirect = false
        #expect(parsed.dataDisks == [first, second])
    }

    @Test("takes what it leaves open from the defaults: values one by one, lists as a whole")
    func filled() throws {
        func defaults(_ text: String) throws -> VMRequest {
            try VMRequest(defaults: Document.parse(Array(text.utf8), file: "config.yaml", format: .yaml))
        }
        let fleet = try defaults(
            """
            cpus: 4
            memory: { size: 4GiB, hugepages: true }
            disk: { size: 5GiB }
            dns: [10.0.0.1]
            nets: [{}]
            kernel: { args: quiet }
            watchdog: true
            cloudHypervisor: { pvpanic: true, memory: { thp: false } }
            """
        )
        var parsed = try request(
            "image: a\nmemory: 1GiB\ncloudHypervisor: { memory: { thp: null, prefault: true } }"
        )
        parsed.fill(from: fleet)
        #expect(parsed.cpus == 4)
        #expect(parsed.memory.size == 1 << 30)
        #expect(parsed.memory.usesHugePages == true)
        #expect(parsed.nets?.count == 1)
        #expect(parsed.watchdog == true)
        #expect(parsed.kernelArguments == "quiet")
        #expect(parsed.patch == ["pvpanic": true, "memory": ["thp": nil, "prefault": true]])
        let again = parsed
        parsed.fill(from: fleet)
        #expect(parsed == again)
        for text in ["name: a", "image: a", "hostname: a", "vsock: { cid: 3 }", "nets: [{ tap: t }]"] {
            #expect(throws: DocumentError.self) { try defaults(text) }
        }
    }

    @Test(
        "is refused with the place of what is wrong",
        arguments: [
            ("cpus: 0", "2:7"), ("cpus: 1.5", "2:7"), ("cpus: two", "2:7"), ("cpus: 9000", "2:7"),
            ("cpus: 4\nmaxCpus: 2", "3:10"), ("memory: 1MiB", "2:9"), ("memory: 100000001", "2:9"),
            ("memory: -1", "2:9"), ("hugepages: true\nmemory: 33557504", "3:9"),
            ("hugepages: maybe", "2:12"), ("disk: { size: 1MiB }", "2:15"), ("disk: 10GiB", "2:7"),
            ("console: Pty", "2:10"), ("console: { mode: pty }", "2:18"),
            ("console: { mode: Socket }", "2:18"),
            ("vsock: { cid: 2 }", "2:15"), ("vsock: { cid: 4294967295 }", "2:15"), ("vsock: {}", "2:8"),
            ("pull: sometimes", "2:7"), ("name: ../x", "2:7"), ("name: Web", "2:7"), ("name: ''", "2:7"),
            ("hostname: -web", "2:11"), ("hostname: a..b", "2:11"), ("nets: { tap: tap0 }", "2:7"),
            ("nets: [{ tap: 'a/b' }]", "2:15"), ("nets: [{ tap: abcdefghijklmnop }]", "2:15"),
            ("nets: [{ mac: 'ff:ff:ff:ff:ff:ff' }]", "2:15"), ("nets: [{ mac: '52:54:00:12:34' }]", "2:15"),
            ("nets: [{ ip: 10.0.0.2 }]", "2:14"), ("nets: [{ ip: 10.0.0.2/33 }]", "2:14"),
            ("nets: [{ ip: '2001:db8::2/64' }]", "2:14"), ("nets: [{ gateway: 10.0.0.1 }]", "2:19"),
            ("nets: [{ ip: 10.0.0.2/24, gateway: 10.0.1.1 }]", "2:36"),
            ("nets: [{ tap: t }, { tap: t }]", "2:20"),
            ("nets: [{ ip: 10.0.0.2/24 }, { ip: 10.0.0.2/25 }]", "2:29"),
            (
                "nets: [{ ip: 10.0.0.2/24, gateway: 10.0.0.1 }, { ip: 10.1.0.2/24, gateway: 10.1.0.1 }]",
                "2:48"
            ),
            ("nets: [{ queues: 0 }]", "2:18"), ("nets: [{},{},{},{},{},{},{},{},{}]", "2:7"),
            ("dns: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4]", "2:6"), ("dns: [resolver]", "2:7"),
            ("memory: { size: 1MiB }", "2:17"), ("memory: { hotplugSize: 1GB }", "2:24"),
            ("hugepages: true\nmemory: { hugepages: true }", "2:12"), ("memory: { sise: 1GiB }", "2:11"),
            ("serial: { mode: socket }", "2:17"), ("watchdog: 1", "2:11"), ("layers: one", "2:9"),
            ("userData: ''", "2:11"), ("userData: 5", "2:11"), ("disk: { direct: 1 }", "2:17"),
            ("dataDisks: [{ name: a }]", "2:13"), ("dataDisks: [{ name: cow, size: 1GiB }]", "2:21"),
            ("dataDisks: [{ name: slipway, size: 1GiB }]", "2:21"),
            ("dataDisks: [{ name: layer7, size: 1GiB }]", "2:21"),
            ("dataDisks: [{ name: merged, size: 1GiB }]", "2:21"),
            ("dataDisks: [{ name: cidata, size: 1GiB }]", "2:21"),
            ("dataDisks: [{ name: Data, size: 1GiB }]", "2:21"),
            ("dataDisks: [{ name: abcdefghijklmnopqrstu, size: 1GiB }]", "2:21"),
            ("dataDisks: [{ name: a, size: 1KiB }]", "2:30"),
            ("dataDisks: [{ name: a, size: 1GiB }, { name: a, size: 1GiB }]", "2:38"),
            ("dataDisks: [{ name: a, size: 1GiB, mount: data }]", "2:43"),
            ("dataDisks: [{ name: a, size: 1GiB, mount: / }]", "2:43"),
            ("dataDisks: [{ name: a, size: 1GiB, mount: /a/../b }]", "2:43"),
            ("dataDisks: [{ name: a, size: 1GiB, mount: '/a b' }]", "2:43"),
            ("dataDisks: [{ name: a, size: 1GiB, mount: /proc/x }]", "2:43"),
            ("dataDisks: [{ name: a, size: 1GiB, filesystem: none, mount: /a }]", "2:61"),
            ("dataDisks: [{ name: a, size: 1GiB, filesystem: xfs }]", "2:48"),
            ("kernel: { args: 'cocoon.layers=layer0' }", "2:17"),
            ("kernel: { args: '\"cocoon.cow=x y\"' }", "2:17"), ("kernel: { args: 'a=\"b' }", "2:17"),
            ("kernel: { args: 'ä' }", "2:17"), ("cloudHypervisor: []", "2:18"),
            ("cloudHypervisor: { disks: [] }", "2:20"), ("cloudHypervisor: { payload: null }", "2:20"),
            ("cloudHypervisor: { \"payload\": { kernel: /k } }", "2:20"), ("image: b", "1:1"),
        ]
    )
    func refused(lines: String, place: String) throws {
        let message = try #require(refusal("image: a\n\(lines)\n"))
        #expect(message.hasPrefix("requests/web.yaml:\(place): "), "\(message)")
    }

    @Test(
        "without an image, or with one that is no reference, is refused",
        arguments: ["{}", "cpus: 1", "image: ''", "image: 'A B'", "image: [a]", "", "[]", "image: ../x"]
    )
    func image(text: String) throws { #expect(refusal(text) != nil) }

    @Test("takes digests and short names for images", arguments: ["nginx", "nginx:1.27", "localhost/web"])
    func imageForms(text: String) throws { #expect(try request("image: \(text)").image == text) }

    @Test("is refused a control character wherever it stands")
    func controlCharacters() throws {
        for text in [
            #"{"image": "a\u0007"}"#, #"{"image": "a", "kernel": {"args": "quiet\ninit=/x"}}"#,
            #"{"image": "a", "hostname": "a\u0000b"}"#, #"{"image": "a", "cloudHypervisor": {"x\u001b": 1}}"#,
            #"{"image": "a", "cloudHypervisor": {"x": ["\u0085"]}}"#,
        ] {
            let message = try #require(refusal(text, file: "web.json"))
            #expect(message.contains("control character"), "\(message)")
        }
    }

    @Test("whose file's name makes no VM's name says that a name can be written")
    func stem() throws {
        let message = try #require(refusal("image: a", file: "My VM.yaml"))
        #expect(message.contains("write 'name'"))
        #expect(try request("image: a\nname: my-vm", file: "My VM.yaml").name == "my-vm")
    }

    @Test(
        "names VMs by 1 to 63 of a-z, 0-9, dot and dash",
        arguments: [
            ("a", true), ("0", true), ("web-1.v2", true), (String(repeating: "a", count: 63), true),
            (String(repeating: "a", count: 64), false), ("", false), ("-a", false), (".a", false),
            ("..", false),
            ("a/b", false), ("a_b", false), ("ä", false), ("A", false), ("a\n", false),
        ]
    )
    func names(name: String, isValid: Bool) { #expect(VMName.isValid(name) == isValid) }
}
