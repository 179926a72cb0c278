import Documents
import Foundation
import Testing

@Suite("JSON values")
struct JSONValueTests {
    /// The examples of RFC 7386, appendix A.
    @Test(
        "merge patches behave as RFC 7386 shows",
        arguments: [
            (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
            (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
            (#"{"a":"b"}"#, #"{"a":null}"#, #"{}"#),
            (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
            (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
            (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
            (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
            (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
            (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
            (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#),
            (#"{"a":"foo"}"#, #"null"#, #"null"#),
            (#"{"a":"foo"}"#, #""bar""#, #""bar""#),
            (#"{"e":null}"#, #"{"a":1}"#, #"{"a":1,"e":null}"#),
            (#"[1,2]"#, #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
            (#"{}"#, #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
        ]
    )
    func mergePatch(target: String, patch: String, result: String) throws {
        let merged = try parse(target, .json).jsonValue.merging(patch: try parse(patch, .json).jsonValue)
        #expect(merged.text == result)
    }

    @Test("the same value gives the same bytes: sorted keys, no needless escapes")
    func serialisation() {
        let value: JSONValue = ["b": ["/x", "é\u{1F}\"\\\n"], "a": .number(0.5), "c": [:], "d": []]
        #expect(value.text == #"{"a":0.5,"b":["/x","é\u001f\"\\\n"],"c":{},"d":[]}"#)
        #expect(
            String(decoding: JSONValue.object(["a": [1], "b": [:]]).serialized(pretty: true), as: UTF8.self)
                == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}\n"
        )
    }

    @Test("what is written reads back as the same value")
    func roundTrip() throws {
        let value: JSONValue = [
            "a": [nil, true, .integer(.min), .unsigned(.max), .number(1e-7), "\u{0}\u{7F}😀/"], "": ["": [:]],
        ]
        #expect(try parse(value.text, .json).jsonValue == value)
        let data = try JSONEncoder().encode(value)
        #expect(try JSONDecoder().decode(JSONValue.self, from: data) == value)
    }
}
