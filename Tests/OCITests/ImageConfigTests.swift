import Foundation
import OCI
import Testing

@Suite("Image configs")
struct ImageConfigTests {
    static let first = "sha256:" + String(repeating: "1", count: 64)
    static let second = "sha256:" + String(repeating: "2", count: 64)

    static let whole = """
        {"created":"2026-01-02T03:04:05.678901234Z","author":"a","architecture":"arm64","os":"linux","variant":"v8",
         "config":{"User":"1000:1000","ExposedPorts":{"8080/tcp":{},"53/udp":{}},"Env":["PATH=/bin","A=b=c"],
                   "Entrypoint":["/init","--x"],"Cmd":["run"],"Volumes":{"/data":{}},"WorkingDir":"/srv",
                   "Labels":{"k":"v"},"StopSignal":"SIGINT","ArgsEscaped":true,"Future":1},
         "rootfs":{"type":"layers","diff_ids":["\(first)","\(second)"]},
         "history":[{"created_by":"ADD","created":"2026-01-02T03:04:05Z"},{"created_by":"ENV","empty_layer":true}],
         "future":null}
        """

    @Test("are read whole")
    func whole() throws {
        let config = try ImageConfig(json: Array(Self.whole.utf8))
        #expect(config.created == "2026-01-02T03:04:05.678901234Z")
        #expect(config.platform?.description == "linux/arm64/v8")
        #expect(config.config.arguments == ["/init", "--x", "run"])
        #expect(config.config.env == ["PATH=/bin", "A=b=c"])
        #expect(config.config.user == "1000:1000")
        #expect(config.config.exposedPorts == ["53/udp", "8080/tcp"])
        #expect(config.config.volumes == ["/data"])
        #expect(config.config.workingDir == "/srv")
        #expect(config.config.labels == ["k": "v"])
        #expect(config.config.stopSignal == "SIGINT")
        #expect(config.diffIDs.map(\.description) == [Self.first, Self.second])
        #expect(config.history.map { $0.emptyLayer ?? false } == [false, true])
        #expect(try ImageConfig(json: Array(JSONEncoder().encode(config))) == config)
    }

    @Test("Docker's nulls are the same as nothing")
    func nulls() throws {
        let json = """
            {"architecture":"amd64","os":"linux","config":{"Cmd":null,"Entrypoint":null,"Env":null,"Volumes":null,
             "ExposedPorts":null,"Labels":null,"User":"","WorkingDir":""},"history":null,
             "rootfs":{"type":"layers","diff_ids":null}}
            """
        let config = try ImageConfig(json: Array(json.utf8))
        #expect(config.config == ImageConfig.Execution())
        #expect(config.diffIDs.isEmpty && config.history.isEmpty && config.chainID == nil)
    }

    @Test(
        "are refused with the place and the reason",
        arguments: [
            ("{}", "image config: 'rootfs' is missing"),
            (#"{"rootfs":{"type":"disk","diff_ids":[]}}"#, "rootfs.type: it is 'disk'"),
            (
                #"{"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"#,
                "rootfs.diff_ids[0]: 'sha256:1' is not a sha256"
            ),
            (#"{"config":{"Env":"A=b"},"rootfs":{"type":"layers"}}"#, "config.Env: it is not an array"),
            (#"{"config":{"Cmd":[1]},"rootfs":{"type":"layers"}}"#, "config.Cmd[0]: it is not a string"),
            (#"{"rootfs":{"type":"#, "it is not valid JSON"),
        ]
    )
    func refused(json: String, reason: String) {
        let error = #expect(throws: MalformedDocument.self) { try ImageConfig(json: Array(json.utf8)) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test("a config without a platform says so")
    func noPlatform() throws {
        #expect(
            try ImageConfig(json: Array(#"{"rootfs":{"type":"layers","diff_ids":[]}}"#.utf8)).platform == nil
        )
    }

    @Test("list as many layers as the manifest")
    func layerCount() throws {
        let config = try ImageConfig(json: Array(Self.whole.utf8))
        let blob = Descriptor(mediaType: .ociLayer, digest: .sha256(of: []), size: 0)
        try config.checkLayers(of: Manifest(config: blob, layers: [blob, blob]))
        #expect(throws: MalformedDocument.self) {
            try config.checkLayers(of: Manifest(config: blob, layers: [blob]))
        }
    }
}
