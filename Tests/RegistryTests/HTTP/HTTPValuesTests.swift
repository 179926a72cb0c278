import Testing

@testable import Registry

@Suite("URLs")
struct HTTPURLTests {
    @Test("are taken apart, their user names dropped")
    func parts() throws {
        let url = try #require(HTTPURL("https://user:secret@Registry.Example:5000/v2/a?ns=b#c"))
        #expect(url.text == "https://registry.example:5000/v2/a?ns=b")
        #expect(url.hadUserInfo)
        #expect(url.redacted == "https://registry.example:5000/v2/a?…")
        #expect(url.authority == "registry.example:5000")
        #expect(HTTPURL("https://registry.example:443")?.authority == "registry.example")
        #expect(HTTPURL("http://registry.example:443")?.origin == "http://registry.example:443")
    }

    @Test(
        "of other schemes and no URLs are refused",
        arguments: [
            "ftp://a/b", "file:///etc/passwd", "", "/v2/", "https://", "https://a b/", "https://a/\nb",
        ]
    )
    func refused(_ text: String) { #expect(HTTPURL(text) == nil) }

    @Test("are resolved against where a redirect came from")
    func relative() throws {
        let base = try #require(HTTPURL("https://a.example:5000/v2/x/blobs/y?z"))
        #expect(HTTPURL("/b/c", relativeTo: base)?.text == "https://a.example:5000/b/c")
        #expect(HTTPURL("//cdn.example/b", relativeTo: base)?.text == "https://cdn.example/b")
        #expect(HTTPURL("http://cdn.example/b?sig=1", relativeTo: base)?.text == "http://cdn.example/b?sig=1")
    }

    @Test(
        "lead to this machine or not",
        arguments: [
            ("localhost", true), ("a.localhost", true), ("127.0.0.1", true), ("127.8.9.1", true),
            ("[::1]", true),
            ("127.0.0.1.example", false), ("128.0.0.1", false), ("localhost.example", false),
            ("[::2]", false),
        ]
    )
    func loopback(_ host: String, _ isLoopback: Bool) { #expect(HTTPURL.isLoopback(host) == isLoopback) }
}

@Suite("Content-Range")
struct ContentRangeTests {
    @Test("is read, with and without the whole length")
    func good() {
        #expect(ContentRange("bytes 5-9/10")?.first == 5)
        #expect(ContentRange("bytes 5-9/10")?.total == 10)
        #expect(ContentRange("bytes 0-0/*").map { $0.total == nil } == true)
    }

    @Test(
        "that makes no sense is none",
        arguments: ["", "bytes", "bytes 5-4/10", "bytes 5-10/10", "bytes */10", "lines 0-1/2", "bytes 0-1"]
    )
    func bad(_ text: String) { #expect(ContentRange(text) == nil) }
}

@Suite("Retry-After")
struct RetryAfterTests {
    private let now: Int64 = 784_111_767

    @Test(
        "is a number of seconds or a date in one of three forms",
        arguments: [
            ("120", 120), ("0", 0), (" 7 ", 7), ("Sun, 06 Nov 1994 08:49:37 GMT", 10),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 10), ("Sun Nov  6 08:49:37 1994", 10),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0), ("99999999999999999999", 86_400),
        ]
    )
    func good(_ text: String, _ seconds: Int64) {
        #expect(RetryAfter.parse(text, now: now) == .seconds(seconds))
    }

    @Test("is nothing else", arguments: ["", "-1", "soon", "1.5", "1e3"])
    func bad(_ text: String) { #expect(RetryAfter.parse(text, now: now) == nil) }
}

@Suite("Proxies")
struct ProxySettingsTests {
    @Test("come from the environment, upper case before lower")
    func environment() throws {
        let settings = ProxySettings(environment: [
            "HTTPS_PROXY": "http://one:1", "https_proxy": "http://two:2", "all_proxy": "http://three:3",
            "no_proxy": "a.example, 10.0.0.0/8",
        ])
        #expect(settings.https == "http://one:1")
        #expect(settings.http == "http://three:3")
        #expect(settings.exceptions == ["a.example", "10.0.0.0/8"])
    }

    @Test(
        "are passed by for some",
        arguments: [
            ("https://a.example/", true), ("https://x.a.example/", true), ("https://ba.example/", false),
            ("https://10.2.3.4/", true), ("https://11.2.3.4/", false), ("https://b.example:5000/", true),
            ("https://b.example/", false), ("https://sub.c.example/", true), ("https://c.example/", false),
            ("https://[fd00::1]/", true), ("https://127.0.0.1/", true), ("https://localhost:5000/", true),
            ("https://z.example/", false),
        ]
    )
    func exceptions(_ text: String, _ isDirect: Bool) throws {
        let settings = ProxySettings(
            https: "http://proxy:1",
            exceptions: ["a.example", "10.0.0.0/8", "b.example:5000", ".c.example", "fd00::/8"]
        )
        #expect((settings.proxy(for: try #require(HTTPURL(text))) == nil) == isDirect)
    }
}
