import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

@testable import Registry

@Suite("Files of credentials")
struct CredentialFileTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("credentials") }

    private func answer(_ json: String, _ hosts: [String], _ repository: String) throws -> Credentials.Secret?
    {
        let file = try #require(try CredentialFile(try folder.write(json, to: "auth.json")))
        guard case .credentials(let credentials) = file.answer(hosts: hosts, repository: repository) else {
            return nil
        }
        return credentials.secret
    }

    @Test("the most specific entry holds")
    func specific() throws {
        func entry(_ user: String) -> String { #"{"auth":"\#(Base64.encode(Array("\(user):p:w".utf8)))"}"# }
        let json = """
            {"auths": {"quay.example": \(entry("host")), "quay.example/team": \(entry("team")),
             "quay.example/team/app": \(entry("app")), "https://old.example/v1/": \(entry("old"))}}
            """
        #expect(try answer(json, ["quay.example"], "team/app") == .password(user: "app", password: "p:w"))
        #expect(try answer(json, ["quay.example"], "team/apple") == .password(user: "team", password: "p:w"))
        #expect(try answer(json, ["quay.example"], "other") == .password(user: "host", password: "p:w"))
        #expect(try answer(json, ["old.example"], "x") == .password(user: "old", password: "p:w"))
        #expect(try answer(json, ["quay.example:5000"], "team/app") == nil)
    }

    @Test("Docker's own registry goes by several names")
    func docker() throws {
        let json =
            #"{"auths": {"https://index.docker.io/v1/": {"username": "u", "password": "p"}}, "HttpHeaders": {"a": "b"}}"#
        let url = try #require(HTTPURL("https://registry-1.docker.io/v2"))
        let hosts = RegistriesConfiguration.keys(of: url)
        #expect(try answer(json, hosts, "library/ubuntu") == .password(user: "u", password: "p"))
    }

    @Test("tokens are told from passwords")
    func tokens() throws {
        let json =
            #"{"auths": {"a": {"identitytoken": "i", "auth": "dTo="}, "b": {"registrytoken": "r"}, "c": {}}}"#
        #expect(try answer(json, ["a"], "x") == .identityToken("i", user: "u"))
        #expect(try answer(json, ["b"], "x") == .registryToken("r"))
        #expect(try answer(json, ["c"], "x") == nil)
    }

    @Test("a broken file says where, and none of what is in it")
    func broken() throws {
        let path = try folder.write("{\"auths\": {\"a\": {\"auth\": \"c2VjcmV0\"},}}", to: "auth.json")
        let error = #expect(throws: RegistryError.self) { try CredentialFile(path) }
        #expect(error?.code == .credentials)
        #expect(error?.message.hasPrefix("\(path):1:") == true)
        #expect(error?.message.contains("c2VjcmV0") == false)
        #expect(try CredentialFile(folder.appending("absent")) == nil)
    }

    @Test("credentials never show what they hold")
    func hidden() {
        let credentials = Credentials(secret: .password(user: "u", password: "hunter2"), origin: "/a")
        for text in ["\(credentials)", String(reflecting: credentials), "\(Optional(credentials) as Any)"] {
            #expect(!text.contains("hunter2"))
        }
        var dumped = ""
        dump(credentials, to: &dumped)
        #expect(!dumped.contains("hunter2"))
    }

    @Test("are looked for where containers tools keep them")
    func places() {
        let paths = CredentialPlaces.paths(environment: [
            "REGISTRY_AUTH_FILE": "/r.json", "DOCKER_CONFIG": "/d", "XDG_RUNTIME_DIR": "/run/u", "HOME": "/h",
        ])
        #expect(
            paths == [
                "/r.json", "/d/config.json", "/run/u/containers/auth.json", "/h/.config/containers/auth.json",
                "/h/.docker/config.json", "/etc/slipway/auth.json",
            ]
        )
        #expect(CredentialPlaces.paths(environment: [:]) == ["/etc/slipway/auth.json"])
    }
}

@Suite("Credential helpers")
struct CredentialHelperTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("helper") }

    private func helper(_ script: String, timeout: Duration = .seconds(10)) throws -> CredentialHelper {
        let path = try folder.write("#!/bin/sh\n\(script)\n", to: "docker-credential-test")
        #expect(chmod(path.string, 0o755) == 0)
        return CredentialHelper(name: "test", folders: ["/nonexistent", folder.path], timeout: timeout)
    }

    @Test("are asked for a host and answer with a name and secret")
    func get() async throws {
        let helper = try helper(
            #"[ "$1" = get ] && read -r host; echo "{\"Username\":\"u-$host\",\"Secret\":\"s\"}""#
        )
        let found = try await helper.credentials(for: "registry.example")
        #expect(found?.secret == .password(user: "u-registry.example", password: "s"))
    }

    @Test("may have an identity token")
    func identityToken() async throws {
        let helper = try helper(#"echo '{"Username":"<token>","Secret":"s"}'"#)
        #expect(try await helper.credentials(for: "a")?.secret == .identityToken("s", user: ""))
    }

    @Test("may know of nothing")
    func nothing() async throws {
        let helper = try helper("echo 'credentials not found in native keychain'; exit 1")
        #expect(try await helper.credentials(for: "a") == nil)
    }

    @Test("that hang are stopped")
    func hanging() async throws {
        let helper = try helper("exec sleep 60", timeout: .milliseconds(200))
        let start = MonotonicTime.now()
        let error = await registryError { try await helper.credentials(for: "a") }
        #expect(error?.code == .credentials && error?.isTransient == true)
        #expect(MonotonicTime.now() - start < 20_000_000_000)
    }

    @Test("that fail or babble are named, and no secret is")
    func failing() async throws {
        let failed = try helper("echo 'the vault is sealed'; exit 3")
        #expect(
            await registryError { try await failed.credentials(for: "a") }?.message.contains(
                "the vault is sealed"
            ) == true
        )
        let babbling = try helper(#"echo '{"Secret":"hunter2"'"#)
        let error = await registryError { try await babbling.credentials(for: "a") }
        #expect(error?.message.contains("hunter2") == false)
        let absent = CredentialHelper(name: "none", folders: [folder.path], timeout: .seconds(1))
        #expect(
            await registryError { try await absent.credentials(for: "a") }?.message.contains(
                "docker-credential-none"
            ) == true
        )
    }

    @Test("have plain names", arguments: ["../../bin/sh", "", "a b", "a;b"])
    func names(_ name: String) async {
        let helper = CredentialHelper(name: name, folders: [folder.path], timeout: .seconds(1))
        #expect(await registryError { try await helper.credentials(for: "a") }?.code == .credentials)
    }
}
