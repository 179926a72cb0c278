import Foundation
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("From a line in the queue to a VM")
struct QueueTests {
    private let size = 2 << 20

    /// An image that boots, of several layers.
    private func layout(_ count: Int = 3) async throws -> (TestLayout, [TestLayout.Layer]) {
        var boot = TarBuilder()
        boot.addBootFiles()
        var layers = [try await TestLayout.Layer.gzip(boot.finish())]
        for number in 1..<count {
            layers.append(.plain(noisyTar(size, seed: UInt64(number), path: "data\(number)")))
        }
        let layout = try TestLayout()
        _ = try layout.image(layers, tag: "1")
        return (layout, layers)
    }

    private func receipt(_ name: String, of installation: Installation) throws -> [String: Any]? {
        let file = name.replacing("/", with: "%2F").replacing(":", with: "%3A")
        return try installation.document("receipts/queue/\(file).json")
    }

    @Test("a listed image is pulled in one round, a VM boots from it, and the next round asks nobody")
    func oneRound() async throws {
        let (layout, layers) = try await layout()
        let registry = try await FaultyRegistry(layout)
        let installation = try Installation()
        let name = "\(registry.host)/team/app:1"
        try installation.drop(Array("# ours\n\(name) as=app # the app\n".utf8), into: "queue")
        try installation.drop(
            Array(#"{ "image": "localhost/app", "disk": { "size": "64MiB" } }"#.utf8),
            into: "requests/vm.json"
        )
        let plan = try await installation.slipway("plan")
        #expect(plan.output.contains("pull") || plan.status == 4)
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        let receipt = try #require(try receipt(name, of: installation))
        #expect(receipt["state"] as? String == "done")
        #expect((receipt["layers"] as? [Any])?.count == layers.count)
        #expect(receipt["resolved"] as? String == receipt["digest"] as? String)
        let config = try #require(try installation.config(of: "vm"))
        #expect((config["disks"] as? [Any])?.count == layers.count + 1)

        let count = try registry.requests().count
        #expect(try await installation.slipway("agent", "--once").status == 0)
        #expect(try registry.requests().count == count)
        let status = try await installation.slipway("status", "queue/\(name)")
        #expect(status.status == 0 && status.output.contains("done"))

        let pulled = try await installation.slipway("image", "pull", name)
        #expect(pulled.status == 0 && pulled.output.contains("sha256:"))
        #expect(try registry.requests().count == count + 1)
    }

    @Test(
        "an image that only a request names is pulled for it, except by a short name or where it says never"
    )
    func pulledForRequest() async throws {
        let (layout, _) = try await layout(2)
        let registry = try await FaultyRegistry(layout)
        let installation = try Installation()
        let name = "\(registry.host)/team/app:1"
        for (file, image, pull) in [
            ("one", name, "if-not-present"), ("two", name, "always"), ("never", name + "-x", "never"),
            ("short", "app:1", "always"),
        ] {
            let text = #"{ "image": "\#(image)", "pull": "\#(pull)", "disk": { "size": "64MiB" } }"#
            try installation.drop(Array(text.utf8), into: "requests/\(file).json")
        }
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 3)
        for vm in ["one", "two"] {
            #expect(try installation.config(of: vm) != nil, "\(vm): \(result.errors)")
        }
        for vm in ["never", "short"] {
            #expect(try installation.document("vms/\(vm)/status.json")?["phase"] as? String == "waiting")
        }
        #expect(
            try registry.requests().allSatisfy { $0.path.contains("team/app") && !$0.path.contains("1-x") }
        )
        let count = try registry.requests().count
        _ = try await installation.slipway("agent", "--once")
        #expect(try registry.requests().count == count)
    }

    @Test("what is wrong in the file, or at the registry, is said by name, and the others go on")
    func mistakes() async throws {
        let (layout, _) = try await layout(1)
        let registry = try await FaultyRegistry(layout)
        let installation = try Installation()
        let (good, missing) = ("\(registry.host)/a:1", "\(registry.host)/a:none")
        try installation.drop(
            Array("\(good)\nlocalhost/x\n::\n\(missing) \(good)\n\(missing)\n".utf8),
            into: "queue"
        )
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 3)
        for place in ["queue:2:1", "queue:3:1", "queue:4:"] {
            #expect(result.errors.contains(place), "\(place)")
        }
        #expect(try receipt(good, of: installation)?["state"] as? String == "done")
        let failed = try #require(try receipt(missing, of: installation))
        #expect(failed["errorCode"] as? String == "notFound" && failed["nextTry"] != nil)
        #expect(try await installation.slipway("status", "queue/\(missing)").status == 3)
        #expect(try await installation.slipway("status", "queue/other").status == 4)

        let asked = try registry.requests().count
        #expect(try await installation.slipway("retry", "queue/\(missing)").status == 0)
        #expect(try await installation.slipway("retry", "queue/other").status == 4)
        _ = try await installation.slipway("agent", "--once")
        #expect(try registry.requests().count > asked)
        let pulled = try await installation.slipway("image", "pull", good, missing)
        #expect(pulled.status == 3 && pulled.errors.contains(missing))
        #expect(try await installation.slipway("image", "pull", missing).status == 4)
    }

    @Test("an agent that is killed again and again finishes in the end, and fetches nothing twice")
    func killed() async throws {
        let (layout, layers) = try await layout(4)
        let registry = try await FaultyRegistry(
            layout,
            [.init("slow", path: "/blobs/", times: nil, at: 4 << 20)]
        )
        let installation = try Installation()
        let name = "\(registry.host)/a:1"
        try installation.drop(Array("\(name)\n".utf8), into: "queue")
        let agent = [installation.program.string, "agent", "--once"] + installation.options
        // What was there of each layer when the agent was killed, and how many requests had been made by then.
        var had: [(requests: Int, bytes: [String: UInt64], stored: Set<String>)] = []
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<6 {
            let delay = Double.random(in: 0.1...0.9, using: &generator)
            _ = try await run("timeout", ["--signal=KILL", "\(delay)s"] + agent)
            had.append((try registry.requests().count, try partials(installation), try stored(installation)))
        }
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        let requests = try registry.requests()
        for (count, bytes, stored) in had {
            for request in requests.dropFirst(count) where request.path.contains("/blobs/") {
                let digest = String(request.path.split(separator: ":").last ?? "")
                let layer = layers.first { Digest.sha256(of: $0.bytes).hex == digest }
                if let layer { #expect(!stored.contains(layer.diffID.hex), "\(request)") }
                if let kept = bytes[digest], kept > 0 {
                    let start = request.range?.dropFirst("bytes=".count).split(separator: "-").first
                    #expect(
                        start.flatMap { UInt64($0) }.map { $0 >= kept } == true,
                        "\(request), \(kept) kept"
                    )
                }
            }
        }
        #expect(try partials(installation).isEmpty)
        #expect(try await installation.slipway("store", "verify").status == 0)
        #expect(try await installation.files(below: "store/temp").isEmpty)
    }

    private func partials(_ installation: Installation) throws -> [String: UInt64] {
        let folder = installation.root.appending("store/partial")
        guard try FileStatus.of(folder) != nil else { return [:] }
        var sizes: [String: UInt64] = [:]
        for name in try Directory.names(in: folder) where !name.string.hasSuffix(".lock") {
            sizes[name.string] = try FileStatus.of(folder.appending(name))?.size
        }
        return sizes
    }

    /// The diffIDs of the layers in the store.
    private func stored(_ installation: Installation) throws -> Set<String> {
        let folder = installation.root.appending("store/blobs/sha256")
        guard try FileStatus.of(folder) != nil else { return [] }
        var names: Set<String> = []
        for shard in try Directory.names(in: folder) {
            for name in try Directory.names(in: folder.appending(shard)) where name.extension == "erofs" {
                names.insert(String(name.stem.prefix(64)))
            }
        }
        return names
    }

    @Test("a line taken out stops its pull, one put back goes on, and a program beside fetches nothing twice")
    func edited() async throws {
        let (layout, layers) = try await layout(2)
        let digest = Digest.sha256(of: layers[1].bytes).hex
        let registry = try await FaultyRegistry(
            layout,
            [.init("stall", path: digest, at: 1 << 20)]
        )
        let installation = try Installation(settings: "inbox: { settle: 300ms, rescan: 1s }\n")
        let name = "\(registry.host)/a:1"
        try await installation.withAgent {
            try await eventually("an agent") {
                try await installation.slipway("status").output.contains("an agent runs")
            }
            try installation.drop(Array("\(name)\n".utf8), into: "queue")
            try await eventually("some bytes") { try partials(installation)[digest] ?? 0 > 0 }
            #expect(try await installation.slipway("status", "queue/\(name)").status == 3)
            try installation.drop(Array("# nothing\n".utf8), into: "queue")
            try await eventually("the end of the pull") {
                try !Directory.names(in: installation.root.appending("store/partial")).contains {
                    $0.string.hasSuffix(".lock")
                }
            }
            #expect(try await installation.slipway("status", "queue/\(name)").status == 4)
            try await eventually("its receipt to go") { try receipt(name, of: installation) == nil }
            try installation.drop(Array("\(name)\n".utf8), into: "queue")
            let beside = try await installation.slipway("image", "pull", name)
            #expect(beside.status == 0, "\(beside.errors)")
            let done = try await installation.slipway("status", "--wait", "60", "queue/\(name)")
            #expect(done.status == 0, "\(done.output)")
        }
        let fetches = try registry.requests().filter { $0.path.hasSuffix(digest) && $0.method == "GET" }
        #expect(fetches.count == 2, "\(fetches)")
        #expect(fetches.last?.range?.hasPrefix("bytes=") == true)
    }
}
