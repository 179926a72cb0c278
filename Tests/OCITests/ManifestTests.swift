import Foundation
import OCI
import Testing

@Suite("Manifests and indexes")
struct ManifestTests {
    static let digest = "sha256:" + String(repeating: "a", count: 64)
    static let config =
        #"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\#(digest)","size":7}"#
    static let layer =
        #"{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"\#(digest)","size":9,"future":[1]}"#

    static func manifest(_ head: String = #""schemaVersion":2"#, layers: String = layer) -> [UInt8] {
        Array("{\(head),\"config\":\(config),\"layers\":[\(layers)],\"future\":{}}".utf8)
    }

    @Test("an OCI manifest without a type, with unknown fields")
    func oci() throws {
        let manifest = try Manifest(json: Self.manifest())
        #expect(manifest.mediaType == nil)
        #expect(manifest.config.size == 7)
        #expect(manifest.layers.map(\.mediaType) == [.ociLayerGzip])
        #expect(manifest.layers.map(\.digest.description) == [Self.digest])
    }

    @Test("a Docker manifest of schema 2")
    func docker() throws {
        let head = #""schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json""#
        #expect(try Manifest(json: Self.manifest(head)).mediaType == .dockerManifest)
    }

    @Test("a manifest written and read again is the same")
    func roundTrip() throws {
        let manifest = try Manifest(json: Self.manifest())
        #expect(try Manifest(json: Array(JSONEncoder().encode(manifest))) == manifest)
    }

    @Test(
        "are refused with the place and the reason",
        arguments: [
            ("", "image manifest: it is not valid JSON"),
            ("[]", "image manifest: it is not an object"),
            (#"{"schemaVersion":2}"#, "image manifest: 'config' is missing"),
            (#"{"schemaVersion":3,"config":\#(config),"layers":[]}"#, "schemaVersion: it is 3, not 2"),
            (
                #"{"schemaVersion":2,"mediaType":"text/plain","config":\#(config),"layers":[]}"#,
                "mediaType: 'text/plain'"
            ),
            (#"{"schemaVersion":2,"config":\#(config),"layers":[{}]}"#, "layers[0]: 'mediaType' is missing"),
            (
                #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha512:00","size":1},"layers":[]}"#,
                "config.digest: 'sha512:00' is not a sha256 digest"
            ),
            (
                #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"\#(digest)","size":-1},"layers":[]}"#,
                "config.size: it is not a size in bytes"
            ),
            (
                #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"\#(digest)","size":"1"},"layers":[]}"#,
                "config.size: it is not a size in bytes"
            ),
            (#"{"schemaVersion":1,"name":"x","fsLayers":[]}"#, "schema 1 is not supported"),
            (
                #"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}"#,
                "schema 1 is not supported"
            ),
            (#"{"schemaVersion":2,"manifests":[]}"#, "it is an index of several manifests"),
            (
                #"{"schemaVersion":2,"manifests":[],"config":\#(config),"layers":[]}"#,
                "it has the fields of an index and of a manifest"
            ),
            (
                #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#,
                "is not the type of an index"
            ),
        ]
    )
    func refused(json: String, reason: String) {
        let error = #expect(throws: MalformedDocument.self) { try Manifest(json: Array(json.utf8)) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    static func index(_ entries: [(platform: String, size: Int, annotations: String)]) -> [UInt8] {
        let list = entries.map { entry in
            #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(digest)","size":\#(entry.size)"#
                + (entry.platform.isEmpty ? "" : #","platform":\#(entry.platform)"#)
                + (entry.annotations.isEmpty ? "" : #","annotations":\#(entry.annotations)"#) + "}"
        }
        return Array(#"{"schemaVersion":2,"manifests":[\#(list.joined(separator: ","))]}"#.utf8)
    }

    @Test("an index gives the entry that suits best, and never an attestation")
    func selection() throws {
        let index = try Index(
            json: Self.index([
                (
                    #"{"os":"linux","architecture":"amd64"}"#, 1,
                    #"{"vnd.docker.reference.type":"attestation-manifest"}"#
                ),
                (#"{"os":"unknown","architecture":"unknown"}"#, 2, ""),
                ("", 3, ""),
                (#"{"os":"linux","architecture":"386"}"#, 4, ""),
                (#"{"os":"linux","architecture":"amd64","os.features":["x"]}"#, 5, ""),
                (#"{"os":"linux","architecture":"arm","variant":"v7"}"#, 6, ""),
                (#"{"os":"linux","architecture":"arm64","variant":"v8"}"#, 7, ""),
                (#"{"os":"windows","architecture":"amd64","os.version":"10.0"}"#, 8, ""),
            ])
        )
        func size(_ platform: String) throws -> UInt64? {
            index.manifest(for: try #require(Platform(platform)))?.size
        }
        #expect(try size("linux/amd64") == 5)
        #expect(try size("linux/386") == 4)
        #expect(try size("linux/arm64") == 7)
        #expect(try size("linux/arm/v6") == nil)
        #expect(try size("linux/arm/v7") == 6)
        #expect(try size("linux/s390x") == nil)
        #expect(index.platforms.count == 6)
    }

    @Test("a manifest is no index")
    func manifestAsIndex() throws {
        #expect(throws: MalformedDocument.self) { try Index(json: Self.manifest()) }
        guard case .manifest = try ManifestDocument(json: Self.manifest()) else {
            Issue.record("a manifest was taken for an index")
            return
        }
    }

    @Test("nesting deeper than any document is refused, brackets in strings do not count")
    func depth() throws {
        let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        let body = "{\"schemaVersion\":2,\"manifests\":[],\"x\":"
        let error = #expect(throws: MalformedDocument.self) {
            try Index(json: Array("\(body)\(deep)}".utf8))
        }
        #expect(error?.problem.contains("more than 100 deep") == true)
        #expect(try Index(json: Array("\(body)\"\\\"\(deep)\"}".utf8)).manifests.isEmpty)
    }
}
