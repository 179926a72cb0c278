import Documents
import Testing

@Suite("YAML")
struct YAMLTests {
    @Test("only true and false are booleans; yes, on and their kin are text")
    func booleans() throws {
        #expect(try parse("true").kind == .bool(true))
        #expect(try parse("false").kind == .bool(false))
        for text in ["yes", "No", "on", "OFF", "True", "y"] {
            #expect(try parse(text).kind == .string(text))
        }
    }

    @Test("decimal numbers are numbers; octal, hexadecimal, sexagesimal and special ones are text")
    func numbers() throws {
        #expect(try parse("42").kind == .integer(42))
        #expect(try parse("-7").kind == .integer(-7))
        #expect(try parse("1.5e3").kind == .number(1500))
        #expect(try parse("18446744073709551615").kind == .unsigned(.max))
        for text in ["0123", "0o17", "0x1F", "12:30:45", ".inf", ".nan", "1_000", "+5", "1e999"] {
            #expect(try parse(text).kind == .string(text))
        }
    }

    @Test("an unquoted number is taken as it was written where a string is wanted")
    func numbersAsStrings() throws {
        #expect(try parse("0123").string() == "0123")
        #expect(try parse("1.10").string() == "1.10")
        #expect(try parse("6.1").string() == "6.1")
        #expect(
            message("true") { _ = try $0.string() }
                == "f:1:1: expected a string, found true; write it in quotes"
        )
    }

    @Test("an empty document is null, with or without a byte order mark and comments")
    func empty() throws {
        for text in ["", "# nothing\n", "\u{FEFF}", "---\n", "~"] { #expect(try parse(text).isNull) }
    }

    @Test("every node knows its line, column and key path")
    func places() throws {
        let root = try parse("nets:\n  - tap: a\n  - tap: b\n    mac: x\n")
        guard case .object(let members) = root.kind, case .array(let nets) = members[0].value.kind,
            case .object(let second) = nets[1].kind
        else { return #expect(Bool(false)) }
        #expect(second[1].value.path == "nets[1].mac")
        #expect(second[1].value.mark == Mark(line: 4, column: 10))
        #expect(second[1].keyMark == Mark(line: 4, column: 5))
    }

    @Test(
        "what the dialect leaves out is refused with its place",
        arguments: [
            ("a: &x 1\n", "f:1:4: a: anchors and aliases are not supported; write the value out"),
            ("a: &x [1]\nb: *x\n", "f:1:4: a: anchors and aliases are not supported; write the value out"),
            ("a: !!int \"3\"\n", "f:1:4: a: tags are not supported"),
            ("a: !secret x\n", "f:1:4: a: tags are not supported"),
            ("a: !list [x]\n", "f:1:4: a: tags are not supported"),
            ("? [a]\n: 1\n", "f:1:3: a key must be plain text"),
            ("a: 1\na: 2\n", "f:1:1: the key 'a' occurs more than once, first here"),
            ("a: 1\n\"a\": 2\n", "f:1:1: the key 'a' occurs more than once, first here"),
            ("1: a\n\"1\": b\n", "f:1:1: the key '1' occurs more than once, first here"),
            ("a: 1\n---\nb: 2\n", "f:2:1: only one YAML document may stand in a file"),
            ("a: x\u{1}y\n", "f:1:5: the control character U+0001 must not stand in YAML"),
        ]
    )
    func refusals(text: String, expected: String) { #expect(message(text) == expected) }

    @Test("a syntax error names the place")
    func syntax() {
        #expect(message("a: [1, 2\n").hasPrefix("f:2:1: "))
        #expect(message("a:\n\tb: 1\n").hasPrefix("f:2:1: "))
        #expect(message("a: 'x\n").hasPrefix("f:"))
    }

    @Test("nesting is bounded, however it is written")
    func depth() {
        let flow = String(repeating: "[", count: 300) + String(repeating: "]", count: 300)
        #expect(message(flow).contains("nested deeper than 128 levels"))
        let block = (0..<300).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        #expect(message(block).contains("nested deeper than 128 levels"))
        #expect(message(String(repeating: "[", count: 100_000)).hasPrefix("f:"))
    }

    @Test("bytes that are not UTF-8 are refused with their place, in both formats")
    func encoding() {
        for format in [Document.Format.yaml, .json] {
            #expect(
                throws: DocumentError(
                    file: "f",
                    mark: Mark(line: 2, column: 3),
                    message: "the bytes here are not UTF-8"
                )
            ) {
                try Document.parse(Array("ä\nüx".utf8) + [0xFF], file: "f", format: format)
            }
        }
    }

    @Test("aliases that multiply are refused before they take time", .timeLimit(.minutes(1)))
    func aliasBomb() {
        var text = "a0: &a0 [x, x]\n"
        for level in 1...60 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(message(text + "? *a60\n: y\n").contains("anchors and aliases (&a0, *a0) are not supported"))
    }

    @Test("asterisks and ampersands in text are text")
    func notAliases() throws {
        let script = String(repeating: "rm -f *.tmp && echo &x *y\n  ", count: 40)
        #expect(try parse("run: |\n  \(script)\nglob: '*a'").jsonValue["glob"] == "*a")
    }

    @Test("a merge key is a key like any other")
    func mergeKey() throws {
        #expect(try parse("<<: {a: 1}").jsonValue == ["<<": ["a": 1]])
    }
}
