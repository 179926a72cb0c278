import Foundation
import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

/// An agent and commands that change the same store at the same time, all of them killed now and then.
@Suite("Side by side on one root")
struct SideBySideTests {
    /// How long it lasts: `SLIPWAY_CONTENTION_SECONDS` for longer.
    private let duration = Duration.seconds(
        ProcessInfo.processInfo.environment["SLIPWAY_CONTENTION_SECONDS"].flatMap(Int.init) ?? 20
    )
    /// What decides what is run: `SLIPWAY_CONTENTION_SEED` for another course of things.
    private let seed =
        ProcessInfo.processInfo.environment["SLIPWAY_CONTENTION_SEED"].flatMap(UInt64.init) ?? 1

    @Test(
        "an agent and commands, killed at any moment, lose no image that is wanted and leave nothing behind"
    )
    func contention() async throws {
        let installation = try Installation(
            settings: """
                inbox: { settle: 300ms, rescan: 1s }
                gc: { unpinnedTTL: 0s }
                """
        )
        let layout = try TestLayout()
        _ = try layout.image([.plain(noisyTar(300_000, seed: 9)), .plain(Self.layer(1))], tag: "1")
        let registry = try await FaultyRegistry(layout)
        let crowd = try Crowd(installation, pulling: "\(registry.host)/app:1")
        try installation.drop(Self.layer(0), into: "inbox/kept.tar")
        let file = try installation.folder.write(Self.layer(5), to: "by-hand.tar")
        let first = try await installation.slipway("image", "import", "by-hand", file.string)
        #expect(first.status == 0, "\(first.errors)")
        try installation.drop(
            Array(#"{ "image": "localhost/kept", "disk": { "size": "16MiB" } }"#.utf8),
            into: "requests/vm.json"
        )
        #expect(try await installation.slipway("agent", "--once").status == 0)

        let end = ContinuousClock.now + duration
        let ran = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<3 {
                group.addTask {
                    var generator = SeededRandom(seed &* 1000 + UInt64(number))
                    var steps = 0
                    while ContinuousClock.now < end {
                        try await crowd.step(&generator)
                        steps += 1
                    }
                    return steps
                }
            }
            group.addTask {
                var generator = SeededRandom(seed)
                while ContinuousClock.now < end {
                    let agent = try RunningAgent(installation)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 50...3000, using: &generator)))
                    // One in four ends in order.
                    if Int.random(in: 0..<4, using: &generator) == 0 { try await agent.stop() }
                    agent.kill()
                }
                return 0
            }
            return try await group.reduce(0, +)
        }
        #expect(ran > 15)
        // What was downloaded in part is taken up again.
        let pulled = try await installation.slipway("image", "pull", crowd.remote)
        #expect(pulled.status == 0, "\(pulled.errors)")
        try await expectOrder(in: installation, "seed \(seed), \(ran) commands")
    }

    /// What has to hold once all is quiet.
    private func expectOrder(in installation: Installation, _ label: Comment) async throws {
        for name in try await installation.files(below: "inbox") where name != "kept.tar" {
            try Directory.unlink(installation.root.appending("inbox").appending(name))
        }
        // A pass to see it all, and one to collect what the first let go.
        for _ in 0..<2 {
            let pass = try await installation.slipway("agent", "--once")
            #expect(pass.status == 0, "\(label): \(pass.errors)")
        }
        let verified = try await installation.slipway("store", "verify", "--deep")
        #expect(verified.status == 0, "\(label): \(verified.output)\(verified.errors)")
        for (name, content) in [("kept", 0), ("by-hand", 5)] {
            let image = try await installation.slipway("image", "cat", name, "/etc/hostname")
            #expect(image.output == "layer \(content)", "\(label): \(name): \(image.errors)")
        }
        for folder in ["store/temp", "store/trash", "store/partial"] {
            let left = try await installation.files(below: folder)
            #expect(left.isEmpty, "\(label): left in \(folder)")
        }
        // Every blob and document belongs to one of the images that are listed.
        let listed = try await installation.json("image", "ls")["images"] as? [[String: Any]] ?? []
        let documents = try await installation.files(below: "store/images")
        #expect(documents.count == listed.count, "\(label): \(documents)")
        for image in listed { #expect((image["pins"] as? [String])?.isEmpty == false, label) }
        // The index made anew of the documents is the same.
        let rebuilt = try await installation.slipway("store", "rebuild-index")
        #expect(rebuilt.status == 0, "\(label): \(rebuilt.errors)")
        let again = try await installation.json("image", "ls")["images"] as? [[String: Any]] ?? []
        func digests(_ images: [[String: Any]]) -> [String] {
            images.compactMap { $0["digest"] as? String }.sorted()
        }
        #expect(digests(again) == digests(listed), label)
    }

    /// A tar that says which one it is, with something besides that takes a moment.
    static func layer(_ number: Int) -> [UInt8] {
        var tar = TarBuilder()
        tar.addFile("etc/hostname", "layer \(number)")
        tar.add("data", content: [UInt8](repeating: UInt8(number), count: 700_000 * (number % 3 + 1)))
        if number == 0 { tar.addBootFiles() }
        tar.addFile("implied/folder/\(number)", "x")
        return tar.finish()
    }
}

/// Runs commands by chance.
private struct Crowd: Sendable {
    let installation: Installation
    /// A reference that a registry has.
    let remote: String
    private let tars: [FilePath]

    init(_ installation: Installation, pulling remote: String) throws {
        self.installation = installation
        self.remote = remote
        tars = try (0..<5).map {
            try installation.folder.write(SideBySideTests.layer($0), to: "layer-\($0).tar")
        }
    }

    func step(_ generator: inout SeededRandom) async throws {
        let number = Int.random(in: 0..<4, using: &generator)
        let name = "image-\(number)"
        let tar = tars[number + 1].string
        let arguments: [String] =
            switch Int.random(in: 0..<16, using: &generator) {
            case 0, 1, 2: ["image", "import", name, tars[0].string, tar]
            case 3: ["image", "import", name, tar]
            case 4: ["image", "pull", remote]
            case 5: ["image", "rm", remote]
            case 6, 7: ["image", "rm", name]
            case 8: ["image", "unpin", name]
            case 9:
                [
                    "image", "save", name, "--to",
                    installation.folder.appending("saved-\(name).tar").string,
                ]
            case 10: ["gc"]
            case 11: ["store", "verify", "--repair"]
            case 12: ["store", "rebuild-index"]
            case 13: ["image", "inspect", "by-hand"]
            case 14: ["agent", "--once", "--timeout", "10s"]
            default: ["image", "inspect", "kept"]
            }
        if arguments[0] == "agent" || Bool.random(using: &generator) { try drop(number, &generator) }
        let command = [installation.program.string] + arguments + installation.options
        guard Bool.random(using: &generator) else {
            let delay = Double.random(in: 0.01...1.2, using: &generator)
            _ = try await run("timeout", ["-s", "KILL", "\(delay)"] + command)
            return
        }
        let result = try await run(command[0], Array(command.dropFirst()))
        let what = Comment(rawValue: "\(arguments.joined(separator: " ")): \(result.status) \(result.errors)")
        switch arguments.prefix(2).last {
        // What an input wants, or has a pin by hand that nobody takes, is there at every moment.
        case "inspect": #expect(result.status == 0, what)
        // Another has the store open.
        case "rebuild-index": #expect(result.status == 0 || result.status == 75, what)
        // The image is not there, or an input wants it.
        case "rm", "unpin", "save": #expect([0, 1, 4].contains(result.status), what)
        // Another agent runs, or its timeout came first.
        case "--once": #expect([0, 3, 75].contains(result.status), what)
        default: #expect(result.status == 0, what)
        }
    }

    /// Something comes into the inbox, or leaves it.
    private func drop(_ number: Int, _ generator: inout SeededRandom) throws {
        let path = installation.root.appending("inbox").appending("image-\(number).tar")
        guard Bool.random(using: &generator) else { return try Directory.unlink(path) }
        let aside = try installation.folder.write(
            SideBySideTests.layer(number),
            to: "dropping-\(UInt32.random(in: 0 ... .max))"
        )
        try Directory.rename(aside, to: path)
    }
}
