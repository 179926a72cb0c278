import Documents
import Testing

@Suite("Typed reading")
struct NodeValuesTests {
    @Test("sizes: K, M, G and KiB, MiB, GiB are powers of 1024; KB, MB, GB of 1000")
    func sizes() throws {
        #expect(try parse("512MiB").byteCount() == 512 << 20)
        #expect(try parse("10G").byteCount() == 10 << 30)
        #expect(try parse("3GB").byteCount() == 3_000_000_000)
        #expect(try parse("4096").byteCount() == 4096)
        #expect(try parse("'2 TiB'").byteCount() == 2 << 40)
        for text in ["10 apples", "-1", "1.5G", "G", "17179869184GiB", "[]", "true"] {
            #expect(message(text) { _ = try $0.byteCount() }.contains("expected a size such as 512MiB"))
        }
    }

    @Test(
        "sizes are written in the form that reads back",
        arguments: [0, 1, 1000, 1024, 512 << 20, 10 << 30, .max] as [UInt64]
    )
    func sizeText(bytes: UInt64) { #expect(ByteCount.parse(ByteCount.text(bytes)) == bytes) }

    @Test("rounded sizes have two or three digits")
    func roundedSizes() {
        #expect(ByteCount.rounded(9) == "9 B")
        #expect(ByteCount.rounded(17 << 10) == "17 KiB")
        #expect(ByteCount.rounded(1_500_000_000) == "1.4 GiB")
        #expect(ByteCount.rounded((10 << 20) - 1) == "10 MiB")
    }

    @Test("durations name their unit")
    func durations() throws {
        #expect(try parse("300ms").duration() == .milliseconds(300))
        #expect(try parse("24h").duration() == .seconds(86400))
        #expect(try parse("1h30m").duration() == .seconds(5400))
        #expect(try parse("7d").duration() == .seconds(7 * 86400))
        #expect(try parse("0").duration() == .zero)
        for text in ["5", "1.5h", "30m1h", "1h1h", "h", "-1s", "99999999999h", "1 h"] {
            #expect(message(text) { _ = try $0.duration() }.contains("expected a duration"))
        }
    }

    @Test("durations are written in the form that reads back")
    func durationText() {
        #expect(DurationText.text(.seconds(86400)) == "24h")
        #expect(DurationText.text(.seconds(5400)) == "1h30m")
        #expect(DurationText.text(.milliseconds(300)) == "300ms")
        #expect(DurationText.text(.zero) == "0s")
    }

    enum Fruit: String, CaseIterable { case apple, pear }

    @Test("a choice names the valid words and the nearest")
    func choices() throws {
        #expect(try parse("pear").choice(of: Fruit.self) == .pear)
        #expect(
            message("aple") { _ = try $0.choice(of: Fruit.self) }
                == "f:1:1: expected one of apple, pear, found the text 'aple'; did you mean 'apple'?"
        )
    }

    @Test("integers are whole and in range")
    func integers() throws {
        #expect(try parse("4").integer(in: 1...8) == 4)
        #expect(
            message("0") { _ = try $0.integer(in: 1...8) } == "f:1:1: the number 0 is not between 1 and 8"
        )
        #expect(
            message("1.5") { _ = try $0.integer() } == "f:1:1: expected a whole number, found the number 1.5"
        )
        #expect(message("18446744073709551615") { _ = try $0.integer() }.hasSuffix("is too large"))
    }

    @Test("an unknown key is refused with its place and the nearest valid one")
    func unknownKey() {
        let text = "memory: 1\nmemroy: 2\n"
        #expect(
            message(text) {
                var reader = try $0.object()
                _ = reader.optional("memory")
                try reader.finish()
            } == "f:2:1: memroy: unknown key; did you mean 'memory'?"
        )
        #expect(
            message("x: 1") {
                var reader = try $0.object()
                _ = reader.optional("memory")
                _ = reader.optional("cpus")
                try reader.finish()
            } == "f:1:1: x: unknown key; valid keys are cpus, memory"
        )
    }

    @Test("a null counts as absent, also where something is required")
    func nullMembers() throws {
        var reader = try parse("a:\nb: 1").object()
        #expect(reader.optional("a") == nil)
        #expect(throws: DocumentError.self) { try reader.required("a") }
        #expect(try reader.required("b").integer() == 1)
        try reader.finish()
    }

    @Test("control characters are found in values and keys, and may be allowed one by one")
    func controlCharacters() throws {
        let node = try parse(#"{"a": ["x\ny"], "b": 1}"#, .json)
        try node.refuseControlCharacters(allowing: ["\n"])
        #expect(throws: DocumentError.self) { try node.refuseControlCharacters() }
        #expect(
            message(#"{"a": {"k\u0007": 1}}"#, .json) { try $0.refuseControlCharacters(allowing: ["\n"]) }
                .contains("U+0007 must not stand in a key")
        )
    }
}
