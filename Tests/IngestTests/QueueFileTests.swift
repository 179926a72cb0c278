import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import Testing

@Suite("What a queue file says")
struct QueueFileTests {
    private func parse(_ text: String, takesOpenLine: Bool = true) -> QueueFile {
        QueueFile(parsing: Array(text.utf8), path: "/q", takesOpenLine: takesOpenLine)
    }

    @Test("a line is a reference as Docker writes it, with options after it")
    func options() throws {
        let file = parse(
            "nginx\n  ghcr.io/a/b:1@sha256:\(String(repeating: "a", count: 64))\tplatform=aarch64 pull=always as=web "
                + "refresh=1h30m # the web\n"
        )
        #expect(file.problems.isEmpty)
        try #require(file.entries.count == 2)
        #expect(file.entries[0].source.rawValue == "queue/docker.io/library/nginx:latest")
        #expect(file.entries[0].policy == .ifNotPresent && file.entries[0].alias == nil)
        let second = file.entries[1]
        #expect(second.platform == Platform("linux/arm64") && second.policy == .always)
        #expect(second.alias?.description == "localhost/web:latest")
        #expect(second.refresh == .seconds(5400) && second.line == 2)
    }

    @Test(
        "byte order mark, CR, blank lines, comments, no final newline",
        arguments: ["a\nb\n", "\u{FEFF}a\r\n\r\nb\r\n", "# x\n\n a \n\t#y\nb", "a # b\r\n \t\nb #"]
    )
    func forms(text: String) {
        let file = parse(text)
        #expect(file.entries.map(\.reference.repository) == ["library/a", "library/b"])
        #expect(file.problems.isEmpty)
    }

    @Test("a last line without an end is not taken while it may still be written")
    func openLine() {
        #expect(parse("a\nb:1.2", takesOpenLine: false).entries.count == 1)
        #expect(parse("a\nb:1.2\n", takesOpenLine: false).entries.count == 2)
        #expect(parse("", takesOpenLine: false).entries.isEmpty)
    }

    @Test(
        "a bad line says where it is wrong and what would be right; the others go on",
        arguments: [
            ("a platfrom=linux/arm64", "/q:2:3: unknown option 'platfrom'; did you mean 'platform'?"),
            ("a pull=allways", "/q:2:8: unknown value 'allways' of pull; did you mean 'always'?"),
            ("a pull=", "expected one of if-not-present, always, never"),
            ("a platform=plan9", "/q:2:12: 'plan9' is no platform"),
            ("a platform=windows/amd64", "no platform of Linux"), ("a refresh=soon", "/q:2:11: 'soon'"),
            ("a refresh=10ms", "a second or more"), ("a b", "/q:2:3: expected an option such as pull=always"),
            ("a pull=never pull=never", "/q:2:14: 'pull' is given twice"), ("a as=", "/q:2:6:"),
            ("a as=x@sha256:00", "/q:2:6:"), ("  a/B", "/q:2:3:"), ("https://a/b", "leave out 'https://'"),
            ("localhost/a", "never comes from a registry"),
        ]
    )
    func badLine(line: String, message: String) throws {
        let file = parse("x\n\(line)\ny\n")
        #expect(file.entries.map(\.line) == [1, 3])
        let problem = try #require(file.problems.first)
        #expect(problem.line == 2 && problem.message.contains(message), "\(problem.message)")
    }

    @Test("a line that is no UTF-8, or very long, is one problem of a bounded length")
    func hostileLines() throws {
        var bytes = Array("x\n".utf8) + [0xFF, 0xFE] + Array("\ny\n".utf8)
        bytes += [UInt8](repeating: UInt8(ascii: "A"), count: 1 << 20) + Array("\nz \0=1".utf8)
        let file = QueueFile(parsing: bytes, path: "/q")
        #expect(file.entries.count == 2)
        #expect(file.problems.map(\.line) == [2, 4, 5])
        #expect(file.problems.allSatisfy { $0.message.utf8.count < 1000 })
    }

    @Test("lines that ask for the same coalesce, however they are written")
    func duplicates() {
        let file = parse(
            "nginx pull=always as=web\ndocker.io/library/nginx:latest as=localhost/web pull=always\n"
        )
        #expect(file.entries.count == 1 && file.problems.isEmpty)
    }

    @Test("of lines that contradict each other the first counts, and both are named")
    func conflicts() throws {
        let file = parse("a\nb as=x\na pull=always\nc as=x\nd as=a\n")
        #expect(file.entries.map(\.line) == [1, 2, 5])
        #expect(file.problems.map(\.line) == [3, 4])
        #expect(file.problems[0].message.contains("line 1") && file.problems[0].reference != nil)
        #expect(file.problems[1].message.contains("line 2"))
        // `as=a` is localhost/a, which nobody else is; a name of the same registry is somebody's.
        #expect(parse("a\nd as=docker.io/library/a\n").problems.first?.message.contains("line 1") == true)
        #expect(parse("d as=docker.io/library/a\na\n").problems.first?.message.contains("line 1") == true)
    }
}
