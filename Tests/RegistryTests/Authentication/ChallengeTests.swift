import Testing

@testable import Registry

@Suite("Challenges")
struct ChallengeTests {
    @Test("have parameters with commas and quotes in their values")
    func quoted() {
        let field =
            #"Bearer realm="https://auth.example/t?a=b,c",Service="it\"s, here",scope="repository:a/b:pull,push""#
        #expect(
            Challenge.parse([field]) == [
                Challenge(
                    scheme: "bearer",
                    parameters: [
                        "realm": "https://auth.example/t?a=b,c", "service": "it\"s, here",
                        "scope": "repository:a/b:pull,push",
                    ]
                )
            ]
        )
    }

    @Test("stand several in a field and in several fields")
    func several() {
        let challenges = Challenge.parse([
            #"Negotiate, Basic realm="one", charset=UTF-8, Bearer realm=two , scope = three"#, "NTLM",
        ])
        #expect(challenges.map(\.scheme) == ["negotiate", "basic", "bearer", "ntlm"])
        #expect(challenges[1].parameters == ["realm": "one", "charset": "UTF-8"])
        #expect(challenges[2].parameters == ["realm": "two", "scope": "three"])
    }

    @Test("may carry a token of their own form")
    func token68() {
        let challenges = Challenge.parse([#"Negotiate YIIJvwYGKwYBBQUCoIIJszCC==, Basic realm="x""#])
        #expect(challenges.map(\.scheme) == ["negotiate", "basic"])
        #expect(challenges.last?.parameters == ["realm": "x"])
    }

    @Test(
        "that break off are read as far as they go",
        arguments: [#"Bearer realm="never closed"#, "Bearer ,,,", "=", ""]
    )
    func broken(_ field: String) {
        #expect(Challenge.parse([field]).allSatisfy { $0.parameters["scope"] == nil })
    }

    @Test("of the bearer scheme name a token service; a missing scope is the repository's")
    func service() throws {
        let challenge = try #require(
            Challenge.parse([#"Bearer realm="https://auth.example/token?x=1",service="a b""#]).first
        )
        let service = try #require(TokenService(challenge, repository: "lab/app"))
        #expect(service.scope == "repository:lab/app:pull")
        #expect(
            service.getRequest(user: nil, password: nil).url.text
                == "https://auth.example/token?x=1&service=a%20b&scope=repository%3Alab%2Fapp%3Apull"
        )
        #expect(TokenService(Challenge(scheme: "bearer"), repository: "a") == nil)
        #expect(
            TokenService(Challenge(scheme: "bearer", parameters: ["realm": "ftp://a"]), repository: "a")
                == nil
        )
    }

    @Test("are answered with a token of either name, which lives a minute if nothing is said")
    func token() throws {
        let minute = try TokenService.token(in: Array(#"{"access_token":"abc"}"#.utf8))
        #expect(minute.value == "abc" && minute.lifetime == .seconds(60))
        let long = try TokenService.token(
            in: Array(#"{"token":"x","access_token":"y","expires_in":300}"#.utf8)
        )
        #expect(long.value == "x" && long.lifetime == .seconds(300))
        for text in ["", "{}", "[]", #"{"token":""}"#, "{\"token\":\"a\\r\\nX: y\"}"] {
            #expect(throws: UnusableToken.self) { try TokenService.token(in: Array(text.utf8)) }
        }
    }
}
