import OCI
import Testing

@Suite("Chain IDs, canonical bytes and made-up manifests")
struct SynthesisTests {
    static func digest(_ digit: Character) throws -> Digest {
        try #require(Digest(hex: String(repeating: digit, count: 64)))
    }

    /// The expected values come from coreutils: `printf 'CHAINID DIFFID' | sha256sum`.
    @Test("a ChainID is the digest of the one below and the diffID")
    func chainID() throws {
        let layers = [try Self.digest("1"), try Self.digest("2"), try Self.digest("3")]
        #expect(ChainID.of([]) == nil)
        #expect(ChainID.of(layers.prefix(1)) == layers[0])
        #expect(
            ChainID.of(layers.prefix(2))?.hex
                == "9932074217c35353d2e03a3f5a86549f7c67bfeb0ba53e23d69f4d4c8f7958f5"
        )
        #expect(ChainID.of(layers)?.hex == "50127c0d6b338be78246434b4bce23ecf75e505158ea0bbd15effeb162fbf3ec")
        #expect(ChainID.all(layers).last == ChainID.of(layers))
        #expect(ChainID.all(layers).count == 3)
    }

    @Test("canonical JSON sorts by bytes, escapes only what it must, and leaves slashes alone")
    func canonical() {
        let value = CanonicalJSON.object([
            "b": .array([.integer(-1), .string("/\"\\\n\t\u{1}\u{1f}\u{7f}é")]),
            "a": .object([:]),
            "B": .array([]),
            "é": .string(""),
            "aa": .integer(.max),
        ])
        #expect(
            String(decoding: value.bytes, as: UTF8.self)
                == #"{"B":[],"a":{},"aa":9223372036854775807,"b":[-1,"/\"\\\n\t\u0001\u001f"#
                + "\u{7f}é\"],\"é\":\"\"}"
        )
    }

    @Test("a made-up manifest has these bytes, on every host and at any time")
    func synthesized() throws {
        let made = Manifest.synthesized(
            layers: [
                (try Self.digest("c"), 10, try Self.digest("1"), .ociLayerGzip),
                (try Self.digest("2"), 20, try Self.digest("2"), .ociLayer),
            ],
            platform: Platform(os: "linux", architecture: "arm64", variant: "v8")
        )
        let ones = String(repeating: "1", count: 64)
        let twos = String(repeating: "2", count: 64)
        let config =
            #"{"architecture":"arm64","config":{},"os":"linux","rootfs":{"diff_ids":["sha256:\#(ones)","sha256:\#(twos)"],"#
            + #""type":"layers"},"variant":"v8"}"#
        #expect(String(decoding: made.configBytes, as: UTF8.self) == config)
        #expect(made.configDigest == .sha256(of: config.utf8))
        let type = "application/vnd.oci.image"
        let manifest =
            #"{"config":{"digest":"\#(made.configDigest)","mediaType":"\#(type).config.v1+json","size":\#(config.utf8.count)},"#
            + #""layers":[{"digest":"sha256:\#(String(repeating: "c", count: 64))","#
            + #""mediaType":"\#(type).layer.v1.tar+gzip","size":10},"#
            + #"{"digest":"sha256:\#(twos)","mediaType":"\#(type).layer.v1.tar","size":20}],"#
            + #""mediaType":"\#(type).manifest.v1+json","schemaVersion":2}"#
        #expect(String(decoding: made.manifestBytes, as: UTF8.self) == manifest)
        #expect(made.manifestDigest == .sha256(of: manifest.utf8))
    }

    @Test("a made-up manifest reads back")
    func readsBack() throws {
        let made = Manifest.synthesized(
            layers: [(try Self.digest("1"), 3, try Self.digest("1"), .ociLayer)],
            platform: .host
        )
        let manifest = try Manifest(json: made.manifestBytes)
        let config = try ImageConfig(json: made.configBytes)
        try config.checkLayers(of: manifest)
        #expect(manifest.config.digest == made.configDigest)
        #expect(config.platform?.normalized == Platform.host.normalized)
    }
}
