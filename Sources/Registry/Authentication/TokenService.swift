import Documents

/// Where bearer tokens come from, and for what (distribution-spec's token authentication: distribution, `docs/spec/auth`).
struct TokenService: Hashable, Sendable {
    /// The URL that is asked.
    var realm: HTTPURL
    /// What the registry is called there.
    var service: String
    /// What the token is to allow: `repository:library/ubuntu:pull`.
    var scope: String

    /// A bearer token.
    struct Token: Sendable {
        var value: String
        /// From its arrival.
        var lifetime: Duration
    }

    /// Reads a challenge; nil when it names no usable realm.
    init?(_ challenge: Challenge, repository: String) {
        guard challenge.scheme == "bearer", let realm = challenge.parameters["realm"].flatMap({ HTTPURL($0) })
        else { return nil }
        self.realm = realm
        service = challenge.parameters["service"] ?? ""
        scope = challenge.parameters["scope"] ?? ""
        if scope.isEmpty { scope = "repository:\(repository):pull" }
    }

    /// The request with a user name and password, or anonymous (`docs/spec/auth/token.md`).
    func getRequest(user: String?, password: String?) -> HTTPRequest {
        var query = realm.query.map { [$0] } ?? []
        if !service.isEmpty { query.append("service=\(Self.encoded(service))") }
        for scope in scope.split(separator: " ") { query.append("scope=\(Self.encoded(scope))") }
        var request = HTTPRequest(url: realm.with(path: realm.path, query: query.joined(separator: "&")))
        if let user, let password {
            if !user.isEmpty { query.append("account=\(Self.encoded(user))") }
            request.url = realm.with(path: realm.path, query: query.joined(separator: "&"))
            request.headers.append(("Authorization", Credentials.basic(user: user, password: password)))
        }
        return request
    }

    /// The request with a refresh token (`docs/spec/auth/oauth.md`).
    func postRequest(refreshToken: String, client: String) -> HTTPRequest {
        let form = [
            ("grant_type", "refresh_token"), ("service", service), ("client_id", client), ("scope", scope),
            ("refresh_token", refreshToken),
        ]
        let body = form.map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
        return HTTPRequest(
            method: .post,
            url: realm,
            headers: [("Content-Type", "application/x-www-form-urlencoded")],
            body: Array(body.utf8)
        )
    }

    /// The token of a response.
    ///
    /// - Throws: a text that holds nothing of the response.
    static func token(in body: [UInt8]) throws(UnusableToken) -> Token {
        guard let document = try? Document.parse(body, file: "token", format: .json).jsonValue else {
            throw UnusableToken(problem: "its answer is no JSON")
        }
        guard
            let value = [document["token"], document["access_token"]].compactMap({ $0?.string })
                .first(where: { !$0.isEmpty })
        else { throw UnusableToken(problem: "its answer holds no token") }
        guard value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw UnusableToken(problem: "its token holds characters that none may have")
        }
        // Clients that predate the field count on a minute, and so does the specification.
        let seconds = max(1, min(document["expires_in"]?.integer ?? 60, 86_400))
        return Token(value: value, lifetime: .seconds(seconds))
    }

    /// Everything but RFC 3986's unreserved characters escaped.
    private static func encoded(_ text: some StringProtocol) -> String {
        let digits = Array("0123456789ABCDEF".unicodeScalars)
        var result = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if byte < 0x80,
                scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                    || "-._~".unicodeScalars.contains(scalar)
            {
                result.unicodeScalars.append(scalar)
            } else {
                result.unicodeScalars.append("%")
                result.unicodeScalars.append(digits[Int(byte >> 4)])
                result.unicodeScalars.append(digits[Int(byte & 15)])
            }
        }
        return result
    }
}

/// Why an answer of a token service is of no use.
struct UnusableToken: Error {
    let problem: String
}
