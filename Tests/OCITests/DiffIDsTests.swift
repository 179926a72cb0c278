import OCI
import Testing

@Suite("Putting other diffIDs into a config")
struct DiffIDsTests {
    private let old = (0..<3).map { Digest.sha256(of: [UInt8($0)]) }
    private let new = (0..<3).map { Digest.sha256(of: [UInt8($0 + 100)]) }

    private func config(_ rootfs: String, rest: String = "") -> [UInt8] {
        Array("{\"architecture\":\"amd64\",\(rest)\"os\":\"linux\",\"rootfs\":\(rootfs)}".utf8)
    }

    private func list(_ digests: [Digest]) -> String {
        digests.map { "\"\($0)\"" }.joined(separator: ",\n\t")
    }

    @Test(
        "changes them and nothing else",
        arguments: [
            "", #""a":"rootfs","#, #""b":{"rootfs":{"diff_ids":["x"]}},"#,
            #""c":["\"]}{",[[{}],null,-1.5e9]],"#,
            #""d":"\\","e":{},"f":[],"#,
        ]
    )
    func changes(rest: String) throws {
        let before = config("{ \"diff_ids\" : [ \(list(old)) ] , \"type\":\"layers\"}", rest: rest)
        let after = config("{ \"diff_ids\" : [ \(list(new)) ] , \"type\":\"layers\"}", rest: rest)
        #expect(try ImageConfig.replacingDiffIDs(in: before, with: new) == after)
        #expect(try ImageConfig.replacingDiffIDs(in: before, with: old) == before)
    }

    @Test("finds each at its place where one is there several times")
    func repeated() throws {
        let before = config("{\"diff_ids\":[\(list([old[0], old[0], old[1]]))]}")
        let after = try ImageConfig.replacingDiffIDs(in: before, with: new)
        #expect(try ImageConfig(json: after).diffIDs == new)
        #expect(after.count == before.count)
    }

    @Test("refuses a config whose digests are escaped, or of which there are more or fewer")
    func refusals() {
        let escaped = config(
            "{\"diff_ids\":[\(list(old).replacing("sha256", with: "sha25\\u0036"))]}"
        )
        #expect(throws: MalformedDocument.self) {
            try ImageConfig.replacingDiffIDs(in: escaped, with: new)
        }
        let fewer = config("{\"diff_ids\":[\(list(Array(old.dropLast())))]}")
        #expect(throws: MalformedDocument.self) { try ImageConfig.replacingDiffIDs(in: fewer, with: new) }
    }
}
