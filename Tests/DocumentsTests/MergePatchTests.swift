import Documents
import Testing

@Suite("Merge patches (RFC 7386)")
struct MergePatchTests {
    /// The test cases of the RFC's appendix A that concern objects, lists and null.
    @Test(
        "are applied as the RFC's appendix shows",
        arguments: [
            (["a": "b"], ["a": "c"], ["a": "c"]),
            (["a": "b"], ["b": "c"], ["a": "b", "b": "c"]),
            (["a": "b"], ["a": .null], [:]),
            (["a": "b", "b": "c"], ["a": .null], ["b": "c"]),
            (["a": ["b"]], ["a": "c"], ["a": "c"]),
            (["a": "c"], ["a": ["b"]], ["a": ["b"]]),
            (["a": ["b": "c"]], ["a": ["b": "d", "c": .null]], ["a": ["b": "d"]]),
            (["a": [["b": "c"]]], ["a": [1]], ["a": [1]]),
            (["a", "b"], ["c", "d"], ["c", "d"]),
            (["a": "b"], ["c"], ["c"]),
            (["a": "foo"], .null, .null),
            (["e": .null], ["a": 1], ["e": .null, "a": 1]),
            ([1, 2], ["a": "b", "c": .null], ["a": "b"]),
            ([:], ["a": ["bb": ["ccc": .null]]], ["a": ["bb": [:]]]),
        ] as [(JSONValue, JSONValue, JSONValue)]
    )
    func merging(original: JSONValue, patch: JSONValue, result: JSONValue) {
        #expect(original.merging(patch: patch) == result)
    }
}
