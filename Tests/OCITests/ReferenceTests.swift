import Foundation
import OCI
import Testing

@Suite("References as Docker writes them")
struct ReferenceTests {
    static let hex = String(repeating: "0123456789abcdef", count: 4)

    @Test(
        "are normalised",
        arguments: [
            ("ubuntu", "docker.io/library/ubuntu:latest"),
            ("ubuntu:24.04", "docker.io/library/ubuntu:24.04"),
            ("library/ubuntu", "docker.io/library/ubuntu:latest"),
            ("docker.io/ubuntu", "docker.io/library/ubuntu:latest"),
            ("index.docker.io/ubuntu:1", "docker.io/library/ubuntu:1"),
            ("team/web", "docker.io/team/web:latest"),
            ("localhost", "docker.io/library/localhost:latest"),
            ("localhost:5000", "docker.io/library/localhost:5000"),
            ("localhost/web", "localhost/web:latest"),
            ("localhost:5000/web", "localhost:5000/web:latest"),
            ("registry.example/web", "registry.example/web:latest"),
            ("registry.example:443/a/b/c:v1.0_rc-2", "registry.example:443/a/b/c:v1.0_rc-2"),
            ("Registry/web", "Registry/web:latest"),
            ("[2001:db8::1]/web", "[2001:db8::1]/web:latest"),
            ("[::1]:5000/web:x", "[::1]:5000/web:x"),
            ("127.0.0.1:5000/web", "127.0.0.1:5000/web:latest"),
            ("a.b-c.d/e__f/g---h.i_j", "a.b-c.d/e__f/g---h.i_j:latest"),
            ("ubuntu@sha256:\(hex)", "docker.io/library/ubuntu@sha256:\(hex)"),
            ("ubuntu:24.04@sha256:\(hex)", "docker.io/library/ubuntu:24.04@sha256:\(hex)"),
            ("web:_Tag.With-Everything_1", "docker.io/library/web:_Tag.With-Everything_1"),
            ("localhost/\(hex)", "localhost/\(hex):latest"),
        ]
    )
    func normalised(text: String, expected: String) throws {
        let reference = try Reference(parsing: text)
        #expect(reference.description == expected)
        #expect(try Reference(parsing: expected) == reference)
        #expect(try Reference(parsing: reference.familiar) == reference)
    }

    @Test(
        "are refused with what is wrong and where",
        arguments: [
            ("", .empty, nil),
            (hex, .bareIdentifier, nil),
            ("https://registry.example/web", .scheme("https://"), 1),
            ("registry.example/", .missingRepository, 18),
            (":tag", .missingRepository, 1),
            ("/web", .emptyComponent, 1),
            ("a//b", .emptyComponent, 3),
            ("a/b/", .emptyComponent, 5),
            ("registry.example/Web", .upperCase("W"), 18),
            ("Ubuntu", .upperCase("U"), 1),
            ("my image", .character(" "), 3),
            ("web\u{0}", .character("\u{0}"), 4),
            ("café", .character("é"), 4),
            ("-web", .separator("-"), 1),
            ("web-", .separator("-"), 4),
            ("a..b", .separator(".."), 2),
            ("a___b", .separator("___"), 2),
            ("a._b", .separator("._"), 2),
            ("-bad.example/web", .domain("-bad.example"), 1),
            ("a..b/web", .domain("a..b"), 1),
            ("[2001:db8::1/web", .domain("[2001:db8::1"), 1),
            ("[]:1/web", .domain("[]:1"), 1),
            ("[]/web", .character("["), 1),
            ("[::g]/web", .domain("[::g]"), 1),
            ("registry.example:/web", .port(""), 18),
            ("registry.example:http/web", .port("http"), 18),
            ("web:", .tag(""), 5),
            ("web:-1", .tag("-1"), 5),
            ("web:a b", .tag("a b"), 5),
            ("team/web:a/b", .tag("a/b"), 10),
            ("web@", .digest(""), 5),
            ("web@sha256:12", .digest("sha256:12"), 5),
            ("web@sha256:\(hex.uppercased())", .digest("sha256:\(hex.uppercased())"), 5),
            ("web@sha512:\(hex)\(hex)", .algorithm("sha512"), 5),
        ] as [(String, ReferenceError.Problem, Int?)]
    )
    func refused(text: String, problem: ReferenceError.Problem, position: Int?) {
        let error = #expect(throws: ReferenceError.self) { try Reference(parsing: text) }
        #expect(error?.problem == problem)
        #expect(error?.position == position)
        #expect(error?.text == text)
    }

    @Test("hold a repository of 255 bytes and a tag of 128, and no more")
    func limits() throws {
        let repository = String(repeating: "a", count: 255)
        let tag = String(repeating: "t", count: 128)
        #expect(try Reference(parsing: "localhost/\(repository):\(tag)").repository.count == 255)
        #expect(throws: ReferenceError.self) { try Reference(parsing: "localhost/\(repository)a") }
        #expect(throws: ReferenceError.self) { try Reference(parsing: "localhost/web:\(tag)t") }
        // Docker counts what it adds.
        #expect(throws: ReferenceError.self) { try Reference(parsing: repository) }
    }

    @Test("an error suggests the lower-case name when that would do")
    func suggestion() {
        let error = #expect(throws: ReferenceError.self) {
            try Reference(parsing: "registry.example/My/Web:RC1")
        }
        #expect(error?.suggestion == "registry.example/my/web:RC1")
        #expect(
            error?.description
                == "'registry.example/My/Web:RC1' is not an image name: 'M' is upper case, and repository names are "
                + "lower case at character 18; 'registry.example/my/web:RC1' would do"
        )
    }

    @Test("have parts")
    func parts() throws {
        let reference = try Reference(parsing: "registry.example:5000/team/web:1@sha256:\(Self.hex)")
        #expect(reference.domain == "registry.example:5000")
        #expect(reference.repository == "team/web")
        #expect(reference.tag == "1")
        #expect(reference.digest?.hex == Self.hex)
        #expect(reference.name == "registry.example:5000/team/web")
        let digest = Digest.sha256(of: [])
        #expect(reference.pinned(to: digest).description == "registry.example:5000/team/web@\(digest)")
    }

    @Test(
        "are shown as people write them, if that reads back",
        arguments: [
            ("docker.io/library/ubuntu:24.04", "ubuntu:24.04"),
            ("docker.io/team/web", "team/web:latest"),
            ("docker.io/a/library/web", "a/library/web:latest"),
            ("quay.io/library/web:1", "quay.io/library/web:1"),
            ("docker.io/localhost/web:1", "docker.io/localhost/web:1"),
            ("docker.io/a.b/web:1", "docker.io/a.b/web:1"),
            ("docker.io/library/\(hex)@sha256:\(hex)", "\(hex)@sha256:\(hex)"),
        ]
    )
    func familiar(text: String, expected: String) throws {
        let reference = try Reference(parsing: text)
        #expect(reference.familiar == expected)
        #expect(try Reference(parsing: expected) == reference)
    }

    @Test("are the host's own under localhost without a port")
    func local() throws {
        #expect(try Reference(parsing: "localhost/web").isLocal)
        #expect(try !Reference(parsing: "localhost:5000/web").isLocal)
        #expect(try !Reference(parsing: "localhost.example/web").isLocal)
        #expect(try !Reference(parsing: "web").isLocal)
    }

    @Test("a short name is looked up as the host's own first, a full one as itself")
    func candidates() throws {
        #expect(
            Reference.candidates(for: "ubuntu:24.04").map(\.description)
                == ["localhost/ubuntu:24.04", "docker.io/library/ubuntu:24.04"]
        )
        #expect(
            Reference.candidates(for: "team/web").map(\.description)
                == ["localhost/team/web:latest", "docker.io/team/web:latest"]
        )
        #expect(Reference.candidates(for: "quay.io/a/b").map(\.description) == ["quay.io/a/b:latest"])
        #expect(Reference.candidates(for: "localhost/web").map(\.description) == ["localhost/web:latest"])
        #expect(Reference.candidates(for: "No Name").isEmpty)
        #expect(Reference.isShortName("ubuntu") && Reference.isShortName("team/web:1"))
        #expect(!Reference.isShortName("quay.io/web") && !Reference.isShortName("localhost/web"))
    }

    @Test("are encoded in the normalised form")
    func coding() throws {
        let json = try JSONEncoder().encode([try Reference(parsing: "ubuntu:1")])
        #expect(try JSONDecoder().decode([String].self, from: json) == ["docker.io/library/ubuntu:1"])
        #expect(
            try JSONDecoder().decode([Reference].self, from: json) == [try Reference(parsing: "ubuntu:1")]
        )
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Reference].self, from: Data(#"["A b"]"#.utf8))
        }
    }
}
