/// What goes into an `Authorization` field, and where it came from.
struct Authorization: Sendable {
    var value: String
    /// The service whose token it is; nil for a user name and password, or a token that somebody wrote down.
    var service: TokenService?
    /// Where the credentials behind it are written; nil for an anonymous token.
    var origin: String?
}

/// Answers registries that ask who we are, and remembers for each repository how it wants to be answered.
///
/// A token is kept for each realm, service and scope until shortly before it expires; those who need the same one at
/// once wait for one request.
actor Authenticator {
    private struct Place: Hashable {
        var origin: String
        var repository: String
    }

    private enum Method {
        case basic
        case bearer(TokenService)
    }

    private struct Kept {
        var authorization: Authorization
        var until: Int64
    }

    private let send: @Sendable (HTTPRequest) async throws(RegistryError) -> HTTPResponse
    private let finder: CredentialFinder
    private let now: @Sendable () -> Int64

    private var methods: [Place: Method] = [:]
    private var tokens: [TokenService: Kept] = [:]
    private var underWay: [TokenService: Task<Authorization, any Error>] = [:]

    /// The name that we give ourselves towards token services.
    private static let client = "slipway"

    init(
        finder: CredentialFinder,
        now: @escaping @Sendable () -> Int64,
        send: @escaping @Sendable (HTTPRequest) async throws(RegistryError) -> HTTPResponse
    ) {
        self.finder = finder
        self.now = now
        self.send = send
    }

    /// What to say to an endpoint before it asks; nil when it never asked.
    func authorization(
        for endpoint: Endpoint,
        settings: HostSettings?
    ) async throws(RegistryError) -> Authorization? {
        switch methods[Place(origin: endpoint.base.origin, repository: endpoint.repository)] {
        case nil: nil
        case .basic: try await basic(endpoint, settings)
        case .bearer(let service): try await token(service, endpoint, settings)
        }
    }

    /// What to say to an endpoint that asked, having refused what was said before.
    func answer(
        _ challenges: [Challenge],
        of endpoint: Endpoint,
        settings: HostSettings?,
        refused: Authorization?
    ) async throws(RegistryError) -> Authorization {
        let place = Place(origin: endpoint.base.origin, repository: endpoint.repository)
        if let service = refused?.service, tokens[service]?.authorization.value == refused?.value {
            tokens[service] = nil
        }
        if refused != nil { finder.forget(endpoint.base) }
        if let service = challenges.lazy.compactMap({ TokenService($0, repository: endpoint.repository) })
            .first
        {
            methods[place] = .bearer(service)
            return try await token(service, endpoint, settings)
        }
        guard challenges.contains(where: { $0.scheme == "basic" }) else {
            let schemes = challenges.map(\.scheme).joined(separator: ", ")
            throw RegistryError(
                .unauthorized,
                "\(endpoint.name) asks for \(schemes.isEmpty ? "no kind of" : schemes) authentication that is known here"
            )
        }
        methods[place] = .basic
        guard let authorization = try await basic(endpoint, settings) else {
            throw Self.missingCredentials(endpoint)
        }
        return authorization
    }

    static func missingCredentials(_ endpoint: Endpoint) -> RegistryError {
        RegistryError(
            .unauthorized,
            "\(endpoint.name) wants credentials for \(endpoint.repository), and none are written for it: "
                + "log in with docker, podman or skopeo, or add them to registries.yaml or /etc/slipway/auth.json"
        )
    }

    private func basic(_ endpoint: Endpoint, _ settings: HostSettings?) async throws(RegistryError)
        -> Authorization?
    {
        let credentials = try await finder.credentials(
            for: endpoint.base,
            repository: endpoint.repository,
            configured: settings
        )
        guard let credentials else { return nil }
        switch credentials.secret {
        case .password(let user, let password):
            return Authorization(
                value: Credentials.basic(user: user, password: password),
                origin: credentials.origin
            )
        case .registryToken(let token):
            return Authorization(value: "Bearer \(token)", origin: credentials.origin)
        case .identityToken(let token, let user):
            return Authorization(
                value: Credentials.basic(user: user, password: token),
                origin: credentials.origin
            )
        }
    }

    private func token(
        _ service: TokenService,
        _ endpoint: Endpoint,
        _ settings: HostSettings?
    ) async throws(RegistryError) -> Authorization {
        if let kept = tokens[service], kept.until > now() { return kept.authorization }
        let task: Task<Authorization, any Error>
        if let running = underWay[service] {
            task = running
        } else {
            task = Task { try await self.fetch(service, endpoint, settings) }
            underWay[service] = task
        }
        do { return try await task.value } catch let error as RegistryError { throw error } catch {
            throw RegistryError(.cancelled, "stopped while a token was asked for", isTransient: true)
        }
    }

    private func fetch(
        _ service: TokenService,
        _ endpoint: Endpoint,
        _ settings: HostSettings?
    ) async throws -> Authorization {
        defer { underWay[service] = nil }
        let credentials = try await finder.credentials(
            for: endpoint.base,
            repository: endpoint.repository,
            configured: settings
        )
        if case .registryToken(let token) = credentials?.secret {
            return Authorization(value: "Bearer \(token)", origin: credentials?.origin)
        }
        if credentials != nil, endpoint.base.scheme == "https", service.realm.scheme == "http",
            !service.realm.isLoopback
        {
            throw RegistryError(
                .unauthorized,
                "\(endpoint.name) sends us to \(service.realm.redacted) for a token, where the credentials "
                    + "would travel in the clear; they were not sent"
            )
        }
        let response = try await exchange(service, credentials)
        let token: TokenService.Token
        do { token = try TokenService.token(in: response.body) } catch {
            throw RegistryError(
                .unavailable,
                "the token service \(service.realm.origin) of \(endpoint.name): \(error.problem)",
                isTransient: true
            )
        }
        let authorization = Authorization(
            value: "Bearer \(token.value)",
            service: service,
            origin: credentials?.origin
        )
        // A tenth is kept back for the way there and for clocks that run apart, a token of a minute being used for 54 s.
        let nanoseconds = token.lifetime.components.seconds * 900_000_000
        tokens[service] = Kept(authorization: authorization, until: now() + nanoseconds)
        return authorization
    }

    private func exchange(
        _ service: TokenService,
        _ credentials: Credentials?
    ) async throws(RegistryError) -> HTTPResponse {
        let response: HTTPResponse
        switch credentials?.secret {
        case .identityToken(let token, let user):
            let posted = try await send(service.postRequest(refreshToken: token, client: Self.client))
            // Services that know only GET say so in one of these ways.
            response =
                [400, 401, 404, 405].contains(posted.status) && !user.isEmpty
                ? try await send(service.getRequest(user: user, password: token)) : posted
        case .password(let user, let password):
            response = try await send(service.getRequest(user: user, password: password))
        case .registryToken, nil: response = try await send(service.getRequest(user: nil, password: nil))
        }
        guard response.status != 200 else { return response }
        let origin = service.realm.origin
        if response.status == 401 || response.status == 400 || response.status == 403, let credentials {
            throw RegistryError(
                .unauthorized,
                "the token service \(origin) refused the \(credentials) (\(response.status)); log in again"
            )
        }
        throw RegistryError(response, host: "the token service \(origin)", subject: service.scope)
    }
}
