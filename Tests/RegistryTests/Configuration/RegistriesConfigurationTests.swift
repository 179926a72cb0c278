import Documents
import Host
import Logging
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Registry

@Suite("registries.yaml")
struct RegistriesConfigurationTests {
    private func endpoints(_ yaml: String, _ text: String) throws -> [String] {
        let configuration = try RegistriesConfiguration(yaml: Array(yaml.utf8), file: "registries.yaml")
        return try configuration.endpoints(for: try reference(text)).map { $0.url("manifests", "t").text }
    }

    @Test(
        "without mirrors a registry is asked itself, by HTTPS unless it is on this machine",
        arguments: [
            ("ubuntu:24.04", "https://registry-1.docker.io/v2/library/ubuntu/manifests/t"),
            ("quay.example/a/b", "https://quay.example/v2/a/b/manifests/t"),
            ("quay.example:5000/a", "https://quay.example:5000/v2/a/manifests/t"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000/v2/a/manifests/t"),
            ("localhost:443/a", "https://localhost/v2/a/manifests/t"),
            ("[::1]:5000/a", "http://[::1]:5000/v2/a/manifests/t"),
        ]
    )
    func defaults(_ reference: String, _ url: String) throws {
        #expect(try endpoints("", reference) == [url])
    }

    @Test("mirrors come in their order and the registry last; what it says itself is not asked twice")
    func order() throws {
        let yaml = """
            mirrors:
              docker.io:
                endpoint: ["https://one.example", "http://two.example:5000/v2", "three.example/proxy/hub"]
              quay.example:
                endpoint: ["https://mirror.example", "https://quay.example"]
              empty.example:
              "*":
                endpoint: ["https://all.example"]
            """
        #expect(
            try endpoints(yaml, "ubuntu") == [
                "https://one.example/v2/library/ubuntu/manifests/t?ns=docker.io",
                "http://two.example:5000/v2/library/ubuntu/manifests/t?ns=docker.io",
                "https://three.example/proxy/hub/library/ubuntu/manifests/t?ns=docker.io",
                "https://registry-1.docker.io/v2/library/ubuntu/manifests/t",
            ]
        )
        #expect(
            try endpoints(yaml, "quay.example/a") == [
                "https://mirror.example/v2/a/manifests/t?ns=quay.example",
                "https://quay.example/v2/a/manifests/t",
            ]
        )
        #expect(try endpoints(yaml, "empty.example/a") == ["https://empty.example/v2/a/manifests/t"])
        #expect(
            try endpoints(yaml, "other.example/a") == [
                "https://all.example/v2/a/manifests/t?ns=other.example",
                "https://other.example/v2/a/manifests/t",
            ]
        )
    }

    @Test(
        "rewrites give repositories other names at mirrors, the first that changes something",
        arguments: [
            (#""^rancher/(.*)": "mirror/images/$1""#, "rancher/agent", "mirror/images/agent"),
            (#""^rancher/(.*)": "mirror/$1""#, "library/ubuntu", "library/ubuntu"),
            (#""^(?<first>[^/]+)/(.*)$": "${2}/x-${first}""#, "a/b", "b/x-a"),
            (#"{ "^a$": "b", "(.*)": "all/$1" }"#, "c", "all/c"),
            (#""o": "0""#, "foo/bor", "f00/b0r"),
        ]
    )
    func rewrites(_ rules: String, _ repository: String, _ expected: String) throws {
        let rules = rules.hasPrefix("{") ? rules : "{ \(rules) }"
        let yaml = "mirrors: { quay.example: { endpoint: [\"https://m.example\"], rewrite: \(rules) } }"
        let urls = try endpoints(yaml, "quay.example/\(repository)")
        #expect(
            urls == [
                "https://m.example/v2/\(expected)/manifests/t?ns=quay.example",
                "https://quay.example/v2/\(repository)/manifests/t",
            ]
        )
    }

    @Test("a rewrite to what is no repository is an error")
    func badRewrite() throws {
        let yaml = #"mirrors: { q.example: { endpoint: [m.example], rewrite: { "a": "../A" } } }"#
        #expect(throws: UnusableRewrite.self) { try endpoints(yaml, "q.example/a") }
    }

    @Test("settings of a host hold wherever it is an endpoint")
    func hosts() throws {
        let yaml = """
            configs:
              "registry.example:5000":
                auth: { username: u, password: "p" }
                tls: { ca_file: /ca.pem, cert_file: /c.pem, key_file: /k.pem }
              docker.io: { auth: { auth: "dTpwOnc=" } }
              token.example: { auth: { identity_token: t } }
              127.0.0.1:5001: { tls: { insecure_skip_verify: true } }
              "*": { tls: { ca_file: /all.pem } }
            """
        let configuration = try RegistriesConfiguration(yaml: Array(yaml.utf8), file: "registries.yaml")
        func settings(_ url: String) throws -> HostSettings? {
            configuration.settings(for: try #require(HTTPURL(url)))
        }
        #expect(
            try settings("https://registry.example:5000/v2")?.credentials?.secret
                == .password(user: "u", password: "p")
        )
        #expect(
            try settings("https://registry.example:5000")?.tls
                == TLSSettings(caFile: "/ca.pem", certFile: "/c.pem", keyFile: "/k.pem")
        )
        #expect(try settings("https://registry.example/v2") == nil)
        #expect(
            try settings("https://registry-1.docker.io")?.credentials?.secret
                == .password(user: "u", password: "p:w")
        )
        #expect(
            try settings("https://token.example:443")?.credentials?.secret == .identityToken("t", user: "")
        )
        #expect(configuration.tls(for: try #require(HTTPURL("https://any.example"))).caFile == "/all.pem")
        // TLS that is set for a port of this machine means that it speaks it.
        #expect(try endpoints(yaml, "127.0.0.1:5001/a") == ["https://127.0.0.1:5001/v2/a/manifests/t"])
    }

    @Test(
        "what is wrong is said with its place",
        arguments: [
            ("mirror: {}", "1:1: mirror: unknown key; did you mean 'mirrors'?"),
            (
                "mirrors:\n  a.example:\n    endpoints: []",
                "3:5: mirrors[\"a.example\"].endpoints: unknown key"
            ),
            ("mirrors: { a.example: { endpoint: [ftp://x] } }", "1:36: mirrors[\"a.example\"].endpoint[0]: "),
            (
                "mirrors: { a.example: { endpoint: [\"https://u:p@x\"] } }",
                "credentials do not belong into a URL"
            ),
            ("mirrors: { \"https://a\": {} }", "1:12: mirrors[\"https://a\"]: expected a host"),
            (
                "mirrors: { a: { rewrite: { \"(\": b } } }",
                "1:28: mirrors.a.rewrite[\"(\"]: this is no regular expression"
            ),
            ("mirrors: { a: { rewrite: { \"(.)\": \"$1x\" } } }", "write ${1} for group 1"),
            (
                "configs: { a: { tls: { ca_file: ca.pem } } }",
                "1:33: configs.a.tls.ca_file: expected an absolute path"
            ),
            ("configs: { a: { tls: { cert_file: /a } } }", "cert_file and key_file belong together"),
            ("configs: { a: { auth: { username: u } } }", "username and password belong together"),
            ("configs: { \"*\": { auth: { username: u, password: p } } }", "name the host"),
            ("configs: { a: { tls: { insecure_skip_verify: yes } } }", "expected true or false"),
        ]
    )
    func errors(_ yaml: String, _ message: String) {
        let error = #expect(throws: DocumentError.self) {
            try RegistriesConfiguration(yaml: Array(yaml.utf8), file: "registries.yaml")
        }
        #expect(error?.description.hasPrefix("registries.yaml:") == true)
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }
}

@Suite("registries.yaml on disk")
struct RegistriesFileTests {
    private let folder: TemporaryDirectory
    private let file: RegistriesFile

    init() throws {
        folder = try TemporaryDirectory("registries")
        file = RegistriesFile(folder.appending("registries.yaml"), logger: Logger(label: "test"))
    }

    private func write(_ text: String) throws {
        try AtomicFile.write(text.utf8, to: folder.appending("registries.yaml"))
    }

    @Test("is nothing while it is not there, and read anew when it changed")
    func changes() throws {
        #expect(try file.current().mirrors.isEmpty)
        try write("mirrors: { a: }")
        #expect(try file.current().mirrors.count == 1)
        try write("mirrors: { a: , b: }")
        #expect(try file.current().mirrors.count == 2)
        try Directory.unlink(folder.appending("registries.yaml"))
        #expect(try file.current().mirrors.isEmpty)
    }

    @Test("a bad edit leaves what was in force, until it is mended")
    func badEdit() throws {
        try write("mirrors: { a: }")
        #expect(try file.current().mirrors.count == 1)
        try write("mirrors: [")
        #expect(try file.current().mirrors.count == 1)
        #expect(file.problem?.contains("registries.yaml:") == true)
        #expect(try file.current().mirrors.count == 1)
        try write("mirrors: { a: , b: }")
        #expect(try file.current().mirrors.count == 2)
        #expect(file.problem == nil)
    }

    @Test("one that was bad from the start stops everything")
    func badStart() throws {
        try write("mirrors: [")
        for _ in 0..<2 {
            let error = #expect(throws: RegistryError.self) { try file.current() }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains("registries.yaml:") == true)
        }
    }
}
