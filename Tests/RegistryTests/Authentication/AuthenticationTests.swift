import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Registry

@Suite("Who we are, against docker-registry", .serialized)
struct AuthenticationTests {
    private let folder: TemporaryDirectory
    private let layout: TestLayout

    init() throws {
        folder = try TemporaryDirectory("auth")
        layout = try TestLayout()
        _ = try layout.image([.plain(noisyTar(1000))], tag: "v1")
    }

    private func authFile(_ host: String, _ user: String, _ password: String) throws -> FilePath {
        let auth = Base64.encode(Array("\(user):\(password)".utf8))
        return try folder.write(#"{"auths": {"\#(host)": {"auth": "\#(auth)"}}}"#, to: "auth.json")
    }

    @Test("a password opens a registry that wants one, and is asked for once")
    func basic() async throws {
        var options = DockerRegistry.Options()
        options.access = .basic(user: "bob", password: "s3:cr et")
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1")
        let client = try makeClient(credentials: [try authFile(registry.host, "bob", "s3:cr et")])
        let before = try registry.requests().count
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        _ = try await client.layers(of: image)
        let statuses = try registry.requests().dropFirst(before).map { String($0.suffix(3)) }
        #expect(statuses == ["401", "200", "200", "200"])
    }

    @Test("a wrong password and none at all are told apart; neither shows")
    func basicRefused() async throws {
        var options = DockerRegistry.Options()
        options.access = .basic(user: "bob", password: "right")
        let registry = try await DockerRegistry(options)
        let name = try reference("\(registry.host)/lab/app:v1")
        let none = await registryError { try await makeClient().resolve(name) }
        #expect(none?.code == .unauthorized && none?.isTransient == false)
        #expect(none?.message.contains("none are written for it") == true)
        let file = try authFile(registry.host, "bob", "hunter2")
        let wrong = await registryError { try await makeClient(credentials: [file]).resolve(name) }
        #expect(wrong?.code == .unauthorized && wrong?.isTransient == false)
        #expect(wrong?.message.contains(file.string) == true)
        #expect(wrong?.message.contains("hunter2") == false)
    }

    @Test(
        "tokens are fetched for what they are for, with credentials where there are some, and used until they expire"
    )
    func tokens() async throws {
        let server = try await TokenServer()
        var options = DockerRegistry.Options()
        options.access = .token(server)
        let registry = try await DockerRegistry(options)
        for name in ["public/app:v1", "private/app:v1"] { try await registry.push(layout, "v1", as: name) }
        let pushes = try server.requests().count
        let clock = TestClock()
        let client = try makeClient(
            credentials: [try authFile(registry.host, TokenServer.user, TokenServer.password)]
        ) { $0.time = clock.source }

        let anonymous = try makeClient()
        _ = try await anonymous.layers(
            of: try await anonymous.resolve(try reference("\(registry.host)/public/app:v1"))
        )
        #expect(try server.requests().dropFirst(pushes) == ["token anonymous repository:public/app:pull"])
        let refused = await registryError {
            try await anonymous.resolve(try reference("\(registry.host)/private/app:v1"))
        }
        #expect(refused?.code == .unauthorized)

        let before = try server.requests().count
        let name = try reference("\(registry.host)/private/app:v1")
        let image = try await client.resolve(name)
        // Eight at once share the token.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { _ = try await client.layers(of: image) } }
            try await group.waitForAll()
        }
        #expect(try server.requests().dropFirst(before) == ["token alice repository:private/app:pull"])
        // It has expired by our clock: another one is fetched before anybody says no.
        clock.advance(.seconds(280))
        let requests = try registry.requests().count
        _ = try await client.digest(of: name)
        #expect(try server.requests().count == before + 2)
        #expect(try registry.requests().dropFirst(requests) == ["HEAD /v2/private/app/manifests/v1 200"])
    }

    @Test("a token service that refuses the password is named with the file it came from")
    func tokenRefused() async throws {
        let server = try await TokenServer()
        var options = DockerRegistry.Options()
        options.access = .token(server)
        let registry = try await DockerRegistry(options)
        let file = try authFile(registry.host, "mallory", "hunter2")
        let error = await registryError {
            try await makeClient(credentials: [file]).resolve(try reference("\(registry.host)/public/app:v1"))
        }
        #expect(error?.code == .unauthorized && error?.isTransient == false)
        #expect(error?.message.contains(file.string) == true)
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test("credentials of registries.yaml come before those of files")
    func configured() async throws {
        var options = DockerRegistry.Options()
        options.access = .basic(user: "bob", password: "right")
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1")
        let client = try makeClient(
            registries: "configs: { \"\(registry.host)\": { auth: { username: bob, password: right } } }",
            credentials: [try authFile(registry.host, "bob", "wrong")],
            in: folder
        )
        _ = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
    }

    @Test(
        "an identity token is exchanged by POST, and by GET where the service knows no other",
        arguments: [false, true]
    )
    func identityToken(onlyGET: Bool) async throws {
        let faults: [FaultyRegistry.Fault] =
            onlyGET ? [.init("status", path: "^/token", method: "POST", times: nil, at: 404)] : []
        let registry = try await FaultyRegistry(layout, faults, access: "bearer:100")
        let file = try folder.write(
            #"{"auths": {"\#(registry.host)": {"identitytoken": "refresh", "username": "bob"}}}"#,
            to: "auth.json"
        )
        _ = try await makeClient(credentials: [file]).resolve(try reference("\(registry.host)/lab/app:v1"))
        let asked = try registry.requests().filter { $0.path.hasPrefix("/token") }
        #expect(asked.map(\.method) == (onlyGET ? ["POST", "GET"] : ["POST"]))
        #expect(asked.first?.authorization == nil)
        if onlyGET {
            let expected = Credentials.basic(user: "bob", password: "refresh")
            #expect(asked.last?.authorization == expected)
        }
    }

    @Test("a token that somebody wrote down is used as it is")
    func registryToken() async throws {
        let registry = try await FaultyRegistry(layout, access: "basic:x:y")
        let file = try folder.write(
            #"{"auths": {"\#(registry.host)": {"registrytoken": "as-it-is"}}}"#,
            to: "auth.json"
        )
        let error = await registryError {
            try await makeClient(credentials: [file]).resolve(try reference("\(registry.host)/lab/app:v1"))
        }
        #expect(error?.code == .unauthorized)
        #expect(error?.message.contains("as-it-is") == false)
        #expect(try registry.requests().map(\.authorization) == [nil, "Bearer as-it-is"])
    }
}
