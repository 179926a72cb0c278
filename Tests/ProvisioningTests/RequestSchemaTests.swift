import Documents
import Host
import SystemPackage
import Testing

@testable import Provisioning

@Suite("The JSON Schema of a request")
struct RequestSchemaTests {
    let checker: SchemaChecker

    init() throws {
        let path = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
            .appending("config/vm-request.schema.json")
        let bytes = try #require(try AtomicFile.read(path))
        checker = SchemaChecker(root: try Document.parse(bytes, file: path.string, format: .json).jsonValue)
    }

    @Test(
        "accepts what the parser accepts",
        arguments: [
            #"{"image": "nginx"}"#,
            #"{"image": "registry.example:5000/team/web_1@sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#,
            #"{"image": "sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#,
            """
            {"name": "web-1", "image": "docker.io/library/nginx:1.27", "pull": "if-not-present", "cpus": 2, "maxCpus": 4,
             "memory": "1GiB", "hugepages": false, "disk": {"size": "10GiB"},
             "nets": [{"tap": "tap0", "mac": "52:54:00:12:34:56", "ip": "10.0.0.2/24", "gateway": "10.0.0.1"}, {}],
             "dns": ["10.0.0.1"], "hostname": "web-1.example", "vsock": {"cid": 12}, "console": {"mode": "Pty"},
             "kernel": {"profile": "default", "args": "quiet"}, "cloudHypervisor": {"watchdog": true}}
            """,
            #"{"image": "a", "memory": 536870912, "disk": {"size": 1073741824}, "nets": [], "kernel": {}}"#,
            #"{"image": "a", "memory": "512M", "disk": {}, "cpus": 8192}"#,
            #"{"image": "a", "memory": "1024 MiB", "pull": "always", "console": {"mode": "File"}}"#,
            #"{"image": "a", "memory": "4G", "hostname": "a", "vsock": {"cid": 4294967294}}"#,
        ]
    )
    func good(text: String) throws {
        #expect(refusal(text, file: "web.json") == nil)
        #expect(try checker.check(json(text)) == [])
    }

    @Test(
        "refuses what the parser refuses",
        arguments: [
            "{}", "[]", #"{"image": ""}"#, #"{"image": 5}"#, #"{"image": "A B"}"#, #"{"image": "../x"}"#,
            #"{"image": "a", "cpu": 2}"#, #"{"image": "a", "cpus": 0}"#, #"{"image": "a", "cpus": "2"}"#,
            #"{"image": "a", "cpus": 8193}"#, #"{"image": "a", "cpus": 1.5}"#,
            #"{"image": "a", "memory": 1024}"#,
            #"{"image": "a", "memory": "lots"}"#, #"{"image": "a", "memory": "-1G"}"#,
            #"{"image": "a", "memory": "1.5G"}"#,
            #"{"image": "a", "hugepages": "yes"}"#, #"{"image": "a", "disk": {"size": 5}}"#,
            #"{"image": "a", "disk": {"sizes": "1G"}}"#, #"{"image": "a", "disk": "10G"}"#,
            #"{"image": "a", "name": "../x"}"#, #"{"image": "a", "name": "Web"}"#,
            #"{"image": "a", "name": "-a"}"#,
            #"{"image": "a", "nets": {}}"#, #"{"image": "a", "nets": [{"tap": "a/b"}]}"#,
            #"{"image": "a", "nets": [{"tap": ".."}]}"#,
            #"{"image": "a", "nets": [{"tap": "abcdefghijklmnop"}]}"#,
            #"{"image": "a", "nets": [{"mac": "01:00:00:00:00:00"}]}"#,
            #"{"image": "a", "nets": [{"mac": "52:54"}]}"#,
            #"{"image": "a", "nets": [{"ip": "10.0.0.2"}]}"#,
            #"{"image": "a", "nets": [{"ip": "10.0.0.2/33"}]}"#,
            #"{"image": "a", "nets": [{"gateway": "10.0.0.1"}]}"#, #"{"image": "a", "nets": [{"vlan": 5}]}"#,
            #"{"image": "a", "dns": "10.0.0.1"}"#, #"{"image": "a", "dns": ["resolver"]}"#,
            #"{"image": "a", "hostname": "-a"}"#, #"{"image": "a", "hostname": "a..b"}"#,
            #"{"image": "a", "vsock": {}}"#, #"{"image": "a", "vsock": {"cid": 2}}"#,
            #"{"image": "a", "vsock": {"cid": 4294967295}}"#,
            #"{"image": "a", "console": {"mode": "Socket"}}"#,
            #"{"image": "a", "console": "Pty"}"#, #"{"image": "a", "kernel": {"args": "a\tb"}}"#,
            #"{"image": "a", "kernel": {"cmdline": "quiet"}}"#,
            #"{"image": "a", "cloudHypervisor": {"disks": []}}"#,
            #"{"image": "a", "cloudHypervisor": {"payload": null}}"#,
            #"{"image": "a", "cloudHypervisor": []}"#,
            #"{"image": "a", "pull": "maybe"}"#, #"{"image": "a", "dataDisks": {}}"#,
            #"{"image": "a", "dataDisks": [{"name": "a"}]}"#, #"{"image": "a", "userData": ""}"#,
            #"{"image": "a", "layers": "both"}"#, #"{"image": "a", "serial": {"mode": "Stdio"}}"#,
        ]
    )
    func bad(text: String) throws {
        #expect(refusal(text, file: "web.json") != nil)
        #expect(try checker.check(json(text)) != [])
    }

    @Test(
        "leaves to the parser what a schema cannot say",
        arguments: [
            #"{"image": "a", "cpus": 4, "maxCpus": 2}"#, #"{"image": "a", "memory": "1MiB"}"#,
            #"{"image": "a", "nets": [{"ip": "10.0.0.2/24", "gateway": "10.0.1.1"}]}"#,
            #"{"image": "a", "nets": [{"ip": "10.0.0.256/24"}]}"#, #"{"image": "a", "memory": 33554433}"#,
            #"{"image": "a", "hugepages": true, "memory": {"hugepages": true}}"#,
            #"{"image": "a", "dataDisks": [{"name": "a", "size": "1G"}, {"name": "a", "size": "1G"}]}"#,
            #"{"image": "a", "kernel": {"args": "cocoon.cow=x"}}"#,
            #"{"image": "a", "cloudHypervisor": {"x": "\u0007"}}"#,
        ]
    )
    func parserOnly(text: String) throws {
        #expect(refusal(text, file: "web.json") != nil)
        #expect(try checker.check(json(text)) == [])
    }

    @Test("knows every key that the parser knows")
    func keys() throws {
        let known = Set((checker.root["properties"]?.object ?? [:]).keys)
        let message = try #require(refusal(#"{"image": "a", "zzzzzzzzzzzz": 1}"#, file: "web.json"))
        for key in known { #expect(message.contains(key), "the parser does not know \(key)") }
        let listed = try #require(message.split(separator: "valid keys are ").last).split(separator: ", ")
            .map(String.init)
        #expect(Set(listed) == known)
    }

    @Test("and the parser are of one mind about whatever they are given", arguments: 0..<8)
    func samples(seed: UInt64) throws {
        var samples = RequestSamples(seed: seed)
        var accepted = 0
        for _ in 0..<150 {
            let sample = samples.next()
            let text = sample.text
            let problems = try checker.check(try json(text))
            guard let refused = refusal(text, file: "web.json") else {
                #expect(problems == [], "the parser takes what the schema does not: \(text)")
                accepted += 1
                continue
            }
            // What no schema can say: rules between members, and numbers with units.
            let isBeyond = RequestSamples.rulesBeyondSchema.contains { refused.contains($0) }
            #expect(
                isBeyond || problems != [],
                "the schema takes what the parser does not, \(refused): \(text)"
            )
        }
        #expect(accepted > 15, "of 150 samples, \(accepted) were good ones")
    }
}
