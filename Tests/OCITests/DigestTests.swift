import Foundation
import OCI
import Testing

@Suite("A digest")
struct DigestTests {
    private static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    @Test("has the hex digits and the bytes that it was made from")
    func forms() throws {
        let digest = try #require(Digest(hex: Self.empty))
        #expect(digest == Digest.sha256(of: []))
        #expect(digest.hex == Self.empty)
        #expect(digest.description == "sha256:\(Self.empty)")
        #expect(Digest("sha256:\(Self.empty)") == digest)
        #expect(Digest(hex: "x\(Self.empty)x".dropFirst().dropLast()) == digest)
        #expect(digest.bytes.prefix(3) == [0xE3, 0xB0, 0xC4])
        #expect(Digest(bytes: digest.bytes) == digest)
        let counted = Digest(bytes: UInt8(0)..<32)
        #expect(counted.bytes == Array(0..<32))
        #expect(counted.hex.hasPrefix("000102030405060708090a0b0c0d0e0f10"))
    }

    @Test(
        "is made of nothing but 64 lower-case hex digits",
        arguments: [
            "", "e3b0", String(empty.dropLast()), empty + "0", empty.uppercased(),
            String(empty.dropLast()) + "g", String(empty.dropLast()) + "é", "sha256:" + empty,
            String(empty.dropFirst()) + "/", String(empty.dropFirst()) + "`",
        ]
    )
    func malformed(_ hex: String) { #expect(Digest(hex: hex) == nil) }

    @Test("is no digest without the name of its algorithm, or of another")
    func algorithms() {
        #expect(Digest(Self.empty) == nil)
        #expect(Digest("sha512:\(Self.empty)\(Self.empty)") == nil)
        #expect(Digest("SHA256:\(Self.empty)") == nil)
    }

    @Test("sorts as its hex digits do")
    func order() {
        let digests = (0..<200).map { Digest.sha256(of: "\($0)".utf8) }
        #expect(digests.sorted().map(\.hex) == digests.map(\.hex).sorted())
        let low = Digest(bytes: Array(repeating: 0, count: 31) + [1])
        let high = Digest(bytes: Array(repeating: 0, count: 31) + [0x80])
        #expect(low < high)
        #expect(!(low < low))
    }

    @Test("is a text in JSON, and anything else there is an error")
    func coding() throws {
        let digest = Digest.sha256(of: [])
        let json = try JSONEncoder().encode([digest])
        #expect(String(decoding: json, as: UTF8.self) == "[\"sha256:\(Self.empty)\"]")
        #expect(try JSONDecoder().decode([Digest].self, from: json) == [digest])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Digest].self, from: Data("[\"sha256:12\"]".utf8))
        }
    }
}
