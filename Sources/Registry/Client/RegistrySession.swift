import Host
import Logging
import OCI

/// What all requests of a client share: connections, tokens, the health of endpoints.
final class RegistrySession: Sendable {
    let configuration: ClientConfiguration
    let logger: Logger
    let registries: RegistriesFile
    let health: EndpointHealth
    let authenticator: Authenticator
    let rangeBudget: RangeBudget
    private let courier: Courier

    init(_ configuration: ClientConfiguration, logger: Logger) throws(RegistryError) {
        self.configuration = configuration
        self.logger = logger
        let registries = RegistriesFile(configuration.registriesFile, logger: logger)
        self.registries = registries
        rangeBudget = RangeBudget(configuration.ranges.blobs)
        health = EndpointHealth(now: configuration.time.now)
        let transport: HTTPTransport
        do { transport = try HTTPTransport() } catch { throw RegistryError(error) }
        let courier = Courier(transport: transport, configuration: configuration)
        self.courier = courier
        authenticator = Authenticator(
            finder: CredentialFinder(
                paths: configuration.credentialFiles,
                helperFolders: configuration.helperFolders,
                helperTimeout: configuration.helperTimeout,
                now: configuration.time.now
            ),
            now: configuration.time.now
        ) { request throws(RegistryError) in
            var request = request
            request.tls = try registries.current().tls(for: request.url)
            return try await courier.send(request, subject: "a token", host: request.url.origin)
        }
    }

    /// The places to ask for a reference, those left out that did not answer lately, unless none would be left.
    func endpoints(for reference: Reference) throws(RegistryError) -> [Endpoint] {
        let all: [Endpoint]
        do { all = try registries.current().endpoints(for: reference) } catch let error as RegistryError {
            throw error
        } catch {
            throw RegistryError(
                .configuration,
                "\(reference): a rewrite in \(configuration.registriesFile) makes '\(printable(error))' of its repository"
            )
        }
        let alive = all.filter { health.isAlive($0.base.origin) }
        return alive.isEmpty ? all : alive
    }

    private func printable(_ error: any Error) -> String { (error as? UnusableRewrite)?.to ?? "\(error)" }

    /// Asks one endpoint, says who we are when it wants to know, and follows redirects.
    ///
    /// - Returns: the last response, whatever its status.
    func exchange(_ call: Call, at endpoint: Endpoint, into sink: BlobSink? = nil) async throws(RegistryError)
        -> HTTPResponse
    {
        let registries = try registries.current()
        // Where a manifest says that a layer is, nobody learns who we are.
        if call.foreignURL != nil {
            return try await follow(call, at: endpoint, nil, registries, into: sink).response
        }
        let settings = registries.settings(for: endpoint.base)
        var authorization = try await authenticator.authorization(for: endpoint, settings: settings)
        // Once for a token that expired, once for one that does not allow enough.
        for answers in 0...2 {
            let response = try await follow(call, at: endpoint, authorization, registries, into: sink)
            health.noteAlive(endpoint.base.origin)
            guard response.response.status == 401, response.isFromEndpoint else { return response.response }
            let challenges = Challenge.parse(response.response.headers.all("www-authenticate"))
            if answers == 2 || challenges.isEmpty || (authorization?.service == nil && authorization != nil) {
                throw Self.refusal(response.response, call, endpoint, authorization)
            }
            let previous = authorization
            authorization = try await authenticator.answer(
                challenges,
                of: endpoint,
                settings: settings,
                refused: previous
            )
            if let previous, previous.value == authorization?.value {
                throw Self.refusal(response.response, call, endpoint, authorization)
            }
        }
        throw RegistryError(.unauthorized, "\(call.subject): \(endpoint.name) refuses every token")
    }

    private static func refusal(
        _ response: HTTPResponse,
        _ call: Call,
        _ endpoint: Endpoint,
        _ authorization: Authorization?
    ) -> RegistryError {
        guard let authorization else {
            return RegistryError(response, host: endpoint.name, subject: call.subject)
        }
        guard let origin = authorization.origin else {
            return RegistryError(
                .unauthorized,
                "\(call.subject): \(endpoint.name) wants credentials (401), and none are written for it: "
                    + "check the name, or log in with docker, podman or skopeo"
            )
        }
        return RegistryError(
            .unauthorized,
            "\(call.subject): \(endpoint.name) refuses the credentials from \(origin) (401); log in again"
        )
    }

    private struct Followed {
        var response: HTTPResponse
        /// Whether the registry itself answered, and not who it sent us to.
        var isFromEndpoint: Bool
    }

    private func follow(
        _ call: Call,
        at endpoint: Endpoint,
        _ authorization: Authorization?,
        _ registries: RegistriesConfiguration,
        into sink: BlobSink?
    ) async throws(RegistryError) -> Followed {
        var url = call.url(at: endpoint)
        for hops in 0...Self.redirectLimit {
            var request = HTTPRequest(method: call.method, url: url, headers: call.headers)
            let isSameOrigin = url.origin == endpoint.base.origin
            if isSameOrigin, let authorization {
                request.headers.append(("Authorization", authorization.value))
            }
            request.tls = isSameOrigin ? endpoint.tls : registries.tls(for: url)
            request.bodyLimit = call.bodyLimit
            request.mayUseHTTP2 = sink == nil && !call.hasOwnConnection
            if request.mayUseHTTP2 { request.timeouts.total = .seconds(120) }
            let host = hops == 0 ? endpoint.name : "\(url.authority) (where \(endpoint.name) sends us)"
            var response = try await courier.send(request, into: sink, subject: call.subject, host: host)
            response.url = url
            guard [301, 302, 303, 307, 308].contains(response.status) else {
                return Followed(response: response, isFromEndpoint: isSameOrigin)
            }
            guard let location = response.headers["location"], let next = HTTPURL(location, relativeTo: url)
            else {
                throw RegistryError(
                    .unavailable,
                    "\(call.subject): \(host) redirects to nowhere (\(response.status))"
                )
            }
            guard url.scheme == "http" || next.scheme == "https" else {
                throw RegistryError(
                    .unavailable,
                    "\(call.subject): \(host) redirects from HTTPS to plain HTTP (\(next.redacted)), which is not followed"
                )
            }
            url = next
        }
        throw RegistryError(
            .unavailable,
            "\(call.subject): \(endpoint.name) redirects more than \(Self.redirectLimit) times"
        )
    }

    private static let redirectLimit = 5

    /// The wait that a response asks for.
    func retryAfter(_ response: HTTPResponse) -> Duration? {
        response.headers["retry-after"].flatMap { RetryAfter.parse($0, now: configuration.time.date()) }
    }
}

/// One request to a registry, wherever it is sent.
struct Call: Sendable {
    /// What is asked for, in messages.
    var subject: String
    var method = HTTPRequest.Method.get
    /// `manifests` or `blobs`.
    var kind: String
    /// A tag or digest.
    var target: String
    var headers: [(name: String, value: String)] = []
    var bodyLimit = 64 << 10
    /// Another place than the registry, for a layer that has one.
    var foreignURL: HTTPURL?
    /// Whether the body is so large that it must not share a connection.
    var hasOwnConnection = false

    func url(at endpoint: Endpoint) -> HTTPURL { foreignURL ?? endpoint.url(kind, target) }
}
