import OCI
import Testing

@Suite("References from the names of dropped files")
struct ReferenceFileNameTests {
    @Test(
        "name an image",
        arguments: [
            ("web.tar", "localhost/web:latest"),
            ("web.tar.gz", "localhost/web:latest"),
            ("web.tgz", "localhost/web:latest"),
            ("web.tar.zst", "localhost/web:latest"),
            ("web.tzst", "localhost/web:latest"),
            ("web.tar.xz", "localhost/web:latest"),
            ("web.txz", "localhost/web:latest"),
            ("web.tar.bz2", "localhost/web:latest"),
            ("web.tbz2", "localhost/web:latest"),
            ("web.tar.lz4", "localhost/web:latest"),
            ("web.TAR.GZ", "localhost/web:latest"),
            ("web.image", "localhost/web:latest"),
            ("web", "localhost/web:latest"),
            ("web.old", "localhost/web.old:latest"),
            ("debian-12.5_minbase.tar", "localhost/debian-12.5_minbase:latest"),
            ("web@1.2.tar", "localhost/web:1.2"),
            ("web@RC1.tar.gz", "localhost/web:RC1"),
            ("team%2Fweb.tar", "localhost/team/web:latest"),
            ("team%2fweb.tar", "localhost/team/web:latest"),
            ("registry.example%2Fteam%2Fweb@1.2.tar", "registry.example/team/web:1.2"),
            ("localhost%3A5000%2Fweb.tar", "localhost:5000/web:latest"),
            ("docker.io%2Fubuntu@24.04.tar", "docker.io/library/ubuntu:24.04"),
            ("web:1.tar", "localhost/web:1"),
        ]
    )
    func named(fileName: String, expected: String) throws {
        #expect(try Reference(fileName: fileName).description == expected)
    }

    @Test(
        "are refused with what is wrong and a better name",
        arguments: [
            ("Web.tar", .upperCase("W"), "web.tar"),
            ("Team%2Fweb.tar", .upperCase("T"), "team%2Fweb.tar"),
            ("my web (1).tar.gz", .character(" "), "my-web-1.tar.gz"),
            (".web.tar", .separator("."), "web.tar"),
            ("web-.tar", .separator("-"), "web.tar"),
            ("a..b.tar", .separator(".."), "a-b.tar"),
            ("web%zz.tar", .percentCode, "web-zz.tar"),
            ("100%.tar", .percentCode, "100.tar"),
            ("web%ff.tar", .percentCode, "web-ff.tar"),
            ("web@1.2 beta.tar", .tag("1.2 beta"), "web@1.2-beta.tar"),
            ("web@.tar", .tag(""), "web.tar"),
            ("web:1@2.tar", .twoTags, nil),
            (".tar", .missingRepository, nil),
            ("@1.tar", .missingRepository, nil),
            ("日本.tar", .character("日"), nil),
        ] as [(String, ReferenceError.Problem, String?)]
    )
    func refused(fileName: String, problem: ReferenceError.Problem, suggestion: String?) throws {
        let error = #expect(throws: ReferenceError.self) { try Reference(fileName: fileName) }
        #expect(error?.problem == problem)
        #expect(error?.text == fileName)
        #expect(error?.suggestion == suggestion)
        if let suggestion { _ = try Reference(fileName: suggestion) }
    }
}
