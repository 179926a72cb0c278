import Documents
import TestSupport

/// Requests by chance, always the same for a seed: each member has a good value mostly, a bad one now and then.
struct RequestSamples {
    /// Words of the parser's messages that tell of rules which a JSON Schema cannot have.
    static let rulesBeyondSchema = [
        "is less than 'cpus'", "expected a multiple of", "is not between", "in the network of",
        "two interfaces",
        "two data disks", "stands in 'memory' too", "a second interface has a gateway", "is set by Slipway",
        "expected an IPv4 address", "quotation mark",
    ]

    private var generator: SeededRandom

    init(seed: UInt64) { generator = SeededRandom(seed &* 0x9E37_79B9_7F4A_7C15 &+ 1) }

    mutating func next() -> JSONValue {
        var request: JSONValue = [
            "image": pick(["a", "registry.example/team/web:1"], bad: ["", "A B", 5, nil])
        ]
        for member in Self.members where chance(3) { request[member] = value(of: member) }
        if chance(25) { request["unheardOf"] = 1 }
        if chance(60) { request["image"] = nil as JSONValue? }
        return request
    }

    private static let members = [
        "name", "pull", "cpus", "maxCpus", "memory", "hugepages", "disk", "dataDisks", "nets", "dns",
        "hostname",
        "vsock", "serial", "console", "watchdog", "layers", "userData", "kernel", "cloudHypervisor",
    ]

    private mutating func value(of member: String) -> JSONValue {
        switch member {
        case "name": pick(["web-1", "a", "0.b"], bad: ["-a", "A", "", "a/b", 5])
        case "pull": pick(["never", "always"], bad: ["Never", true])
        case "cpus": pick([1, 2, 8192], bad: [0, 8193, "2", .number(1.5)])
        case "maxCpus": pick([4, 8192], bad: [0, "4"])
        case "memory":
            chance(2) ? size() : object(["size", "hugepages", "shared", "hotplugSize"]) { $0.memory($1) }
        case "hugepages", "watchdog": pick([true, false], bad: ["yes", 1])
        case "disk": object(["size", "direct"]) { $1 == "size" ? $0.size() : $0.pick([true], bad: [0]) }
        case "dataDisks":
            list { $0.object(["name", "size", "filesystem", "mount", "direct"]) { $0.disk($1) } }
        case "nets": list { $0.object(["tap", "mac", "ip", "gateway", "queues"]) { $0.net($1) } }
        case "dns": list { $0.pick(["10.0.0.1", "8.8.8.8"], bad: ["resolver", 5, "10.0.0"]) }
        case "hostname": pick(["web-1.example", "a"], bad: ["-a", "a..b", ""])
        case "vsock":
            object(["cid"]) { samples, _ in samples.pick([3, 4_294_967_294], bad: [2, 4_294_967_295, "3"]) }
        case "serial":
            object(["mode"]) { samples, _ in samples.pick(["Off", "File", "Socket"], bad: ["socket"]) }
        case "console":
            object(["mode"]) { samples, _ in samples.pick(["Off", "File", "Pty"], bad: ["Socket"]) }
        case "layers": pick(["auto", "disks", "merged"], bad: ["one", 1])
        case "userData": pick(["#cloud-config\n", "a\tb\r\n"], bad: ["", "\u{7}", 5, ["a"]])
        case "kernel":
            object(["profile", "args"]) {
                $1 == "args"
                    ? $0.pick(["quiet", "a=\"b c\""], bad: ["ä", "a\tb", 5]) : $0.pick(["debug"], bad: [5])
            }
        default: pick([["watchdog": true], [:]], bad: [["disks": []], ["payload": nil], [], 5])
        }
    }

    private mutating func memory(_ member: String) -> JSONValue {
        switch member {
        case "size": size()
        case "hotplugSize": pick(["1GiB", 134_217_728], bad: [5, 134_217_729, "much"])
        default: pick([true, false], bad: ["no"])
        }
    }

    private mutating func disk(_ member: String) -> JSONValue {
        switch member {
        case "name":
            pick(["a", "pg-data", "layer", "layers", "layer0a"], bad: ["cow", "layer0", "merged", "A", ""])
        case "size": size()
        case "filesystem": pick(["ext4", "none"], bad: ["xfs"])
        case "mount":
            pick(
                ["/a", "/var/lib/pg", "/device", "/a/..b"],
                bad: ["a", "/", "/a/", "/a/../b", "/dev", "/proc/x"]
            )
        default: pick([true, false], bad: [5])
        }
    }

    private mutating func net(_ member: String) -> JSONValue {
        switch member {
        case "tap": pick(["tap0", "vm.12"], bad: ["a/b", "..", "abcdefghijklmnop", ""])
        case "mac": pick(["52:54:00:12:34:56", "02:AB:cd:00:00:01"], bad: ["01:00:00:00:00:00", "52:54"])
        case "ip": pick(["10.0.0.2/24", "10.1.0.2/16"], bad: ["10.0.0.2", "10.0.0.2/33", "::1/64"])
        case "gateway": pick(["10.0.0.1"], bad: ["gw", 1])
        default: pick([1, 2], bad: [0, 65, "2"])
        }
    }

    private mutating func size() -> JSONValue {
        pick(["512MiB", "1G", 1_073_741_824, "64 MiB"], bad: ["big", -1, "1.5G", 5, true])
    }

    // MARK: Chance

    private mutating func chance(_ one: UInt64) -> Bool { generator.next() % one == 0 }

    private mutating func pick(_ good: [JSONValue], bad: [JSONValue]) -> JSONValue {
        let values = chance(14) ? bad : good
        return values[Int(generator.next() % UInt64(values.count))]
    }

    private mutating func list(_ element: (inout Self) -> JSONValue) -> JSONValue {
        if chance(30) { return [:] }
        return .array((0..<Int(generator.next() % 4)).map { _ in element(&self) })
    }

    /// Members that have to be there are there mostly.
    private mutating func object(
        _ members: [String],
        _ value: (inout Self, String) -> JSONValue
    ) -> JSONValue {
        if chance(30) { return 5 }
        var object: JSONValue = [:]
        for member in members where !chance(member == "name" || member == "cid" || member == "mode" ? 12 : 3)
        {
            object[member] = value(&self, member)
        }
        if chance(30) { object["unheardOf"] = 1 }
        return object
    }
}
