import Testing

@testable import ImageBackend

@Suite("The path of an entry")
struct EntryPathTests {
    private func normalised(_ path: String) throws -> [String] {
        try EntryPath(Array(path.utf8)).components.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        "is the same however it is spelled",
        arguments: ["usr/bin", "/usr/bin", "./usr/bin", "//usr///bin/", "usr/./bin/.", "/./usr/bin"]
    )
    func spellings(path: String) throws {
        #expect(try normalised(path) == ["usr", "bin"])
    }

    @Test("of the root has no components", arguments: ["", ".", "./", "/", "/.//"])
    func root(path: String) throws {
        #expect(try normalised(path).isEmpty)
    }

    @Test("never leads upwards", arguments: ["..", "../x", "a/../../x", "a/..", "/.."])
    func parents(path: String) {
        #expect(throws: EntryPath.Problem.parentReference) { try normalised(path) }
    }

    @Test("may have names that only look like dots")
    func dots() throws {
        #expect(try normalised("...") == ["..."])
        #expect(try normalised("..a/.b") == ["..a", ".b"])
    }

    @Test("has names of at most 255 bytes and at most 4,096 of them")
    func limits() throws {
        #expect(try normalised(String(repeating: "x", count: 255)).count == 1)
        #expect(throws: EntryPath.Problem.nameTooLong) { try normalised(String(repeating: "x", count: 256)) }
        #expect(try normalised(String(repeating: "x/", count: 4096)).count == 4096)
        #expect(throws: EntryPath.Problem.tooDeep) { try normalised(String(repeating: "x/", count: 4097)) }
    }

    @Test("is printed without control characters")
    func printing() {
        #expect(String(printable: Array("a\nb\u{7f}é".utf8)) == "a\\xab\\x7fé")
    }
}
