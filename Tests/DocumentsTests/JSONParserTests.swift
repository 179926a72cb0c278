import Documents
import Testing

@Suite("JSON")
struct JSONParserTests {
    @Test("every escape of RFC 8259 works")
    func escapes() throws {
        let text = #""\"\\\/\b\f\n\r\t\u0041\u00e9\uD83D\uDE00""#
        #expect(try parse(text, .json).string() == "\"\\/\u{8}\u{C}\n\r\tAé😀")
    }

    @Test("values of every kind")
    func values() throws {
        let text =
            #" {"a": [null, true, false, -0, 1.5, 1E2, "x"], "b": {}, "c": [ ], "big": 9223372036854775808} "#
        #expect(
            try parse(text, .json).jsonValue == [
                "a": [nil, true, false, 0, .number(1.5), .number(100), "x"], "b": [:], "c": [],
                "big": .unsigned(9_223_372_036_854_775_808),
            ]
        )
    }

    @Test(
        "what is not JSON is refused with its place",
        arguments: [
            ("", "f:1:1: the document ends where a value is expected"),
            ("{\"a\": 1, \"a\": 2}", "f:1:10: a: this key stands here a second time"),
            ("{\"a\": 1, \"\\u0061\": 2}", "f:1:10: a: this key stands here a second time"),
            ("{} x", "f:1:4: nothing may follow the value"),
            ("[1,]", "f:1:4: a comma must not stand before the closing bracket"),
            ("{\"a\": 1,}", "f:1:9: a comma must not stand before the closing bracket"),
            ("{a: 1}", "f:1:2: expected a key in double quotes"),
            ("{\"a\" 1}", "f:1:6: a: expected ':' after the key"),
            ("[1 2]", "f:1:4: expected ',' or ']'"),
            ("[\n 01]", "f:2:2: [0]: '01' is not a number in JSON, or too large for one"),
            ("[+1]", "f:1:2: [0]: this character is not a JSON value; text needs double quotes"),
            ("1e999", "f:1:1: '1e999' is not a number in JSON, or too large for one"),
            ("NaN", "f:1:1: 'NaN' is not a JSON value; text needs double quotes"),
            ("\"a\u{9}b\"", "f:1:3: the control character U+0009 must be escaped in a JSON string"),
            ("\"\\x41\"", "f:1:2: JSON has no such escape"),
            ("\"\\u12\"", "f:1:2: \\u needs four hexadecimal digits"),
            ("\"\\uD800\"", "f:1:2: half of a surrogate pair"),
            ("\"\\uDC00x\"", "f:1:2: half of a surrogate pair"),
            ("\"\\uD800\\u0041\"", "f:1:2: half of a surrogate pair"),
            ("{\"é\": \"x", "f:1:7: [\"é\"]: the string is not closed"),
        ]
    )
    func refusals(text: String, expected: String) { #expect(message(text, .json) == expected) }

    @Test("nesting is bounded")
    func depth() {
        #expect(
            message(String(repeating: "[", count: 100_000), .json).contains("nested deeper than 128 levels")
        )
    }

    @Test("a number is not taken for a string")
    func strictness() {
        #expect(message("5", .json) { _ = try $0.string() }.contains("expected a string, found the number 5"))
    }
}
