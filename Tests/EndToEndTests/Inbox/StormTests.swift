import Foundation
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("A storm over the inbox")
struct StormTests {
    /// How long it lasts: `SLIPWAY_STORM_SECONDS` for longer.
    private let duration = Duration.seconds(
        ProcessInfo.processInfo.environment["SLIPWAY_STORM_SECONDS"].flatMap(Int.init) ?? 20
    )
    /// What decides every step: `SLIPWAY_STORM_SEED` for another course of things.
    private let seed =
        ProcessInfo.processInfo.environment["SLIPWAY_STORM_SEED"].flatMap(UInt64.init) ?? 20_260_101

    @Test("drops, rewrites, renames, deletes and kills at any moment end in exactly what the folder says")
    func storm() async throws {
        let installation = try Installation(
            settings: """
                inbox: { settle: 400ms, folderSettle: 600ms, rescan: 1s }
                gc: { unpinnedTTL: 0s }
                """
        )
        var weather = try Weather(installation, seed: seed)
        var agent = try RunningAgent(installation)
        let end = ContinuousClock.now + duration
        var nextKill = ContinuousClock.now + .milliseconds(500)
        var kills = 0
        while ContinuousClock.now < end {
            try weather.step()
            if ContinuousClock.now >= nextKill {
                agent.kill()
                kills += 1
                agent = try RunningAgent(installation)
                nextKill = .now + .milliseconds(weather.random(100...2500))
            }
            if weather.steps % 8 == 0 { try await Task.sleep(for: .milliseconds(weather.random(1...60))) }
        }
        let expected = try weather.calm()
        var differences = ["nothing was looked at"]
        let deadline = ContinuousClock.now + .seconds(90)
        while !differences.isEmpty, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(300))
            differences = try await expected.differences(from: installation)
        }
        let log = try agent.output().split(separator: "\n").suffix(30).joined(separator: "\n")
        #expect(
            differences.isEmpty,
            """
            seed \(seed), \(weather.steps) steps, \(kills) kills:
            \(differences.joined(separator: "\n"))
            \(log)
            """
        )
        try await agent.stop()
        // A process that starts anew has nothing to do, and nothing is left of those that were killed.
        let again = try await installation.slipway("agent", "--once")
        #expect(!again.errors.contains("importing"), "seed \(seed): \(again.errors)")
        let left =
            try await installation.files(below: "store/temp") + installation.files(below: "store/trash")
        #expect(left.isEmpty, "\(left)")
        #expect(try await installation.slipway("store", "verify").status == 0)
        #expect(weather.steps > 500 && kills > 5)
    }
}

/// What happens to the folder, step by step.
private struct Weather {
    private var generator: SeededRandom
    private let inbox: FilePath
    private let aside: FilePath
    private let contents: [[UInt8]]
    private(set) var steps = 0

    private static let files = (0..<14).map { "n\($0).tar" }
    private static let folders = (0..<3).map { "f\($0).image" }

    init(_ installation: Installation, seed: UInt64) throws {
        generator = SeededRandom(seed)
        inbox = installation.root.appending("inbox")
        aside = installation.root.appending("aside")
        try Directory.create(aside)
        contents =
            (0..<9).map { number in
                var tar = TarBuilder()
                tar.addFile("etc/hostname", "content \(number)")
                if number > 5 {
                    tar.add("data", content: [UInt8](repeating: UInt8(number), count: 300_000 * number))
                }
                return tar.finish()
            } + [Array("no tar at all".utf8)]
    }

    mutating func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[random(0...elements.count - 1)]
    }

    mutating func step() throws {
        steps += 1
        let name = pick(Self.files)
        let path = inbox.appending(name)
        switch random(0...15) {
        case 0...3: try drop(pick(contents), as: path)
        case 4...5: try write(pick(contents), to: path)
        case 6: try write(Array(pick(contents).dropLast(1100)), to: path)
        case 7...8: try Directory.unlink(path)
        case 9...10: try rename(path, to: inbox.appending(pick(Self.files)))
        case 11: try rename(path, to: inbox.appending(".\(name).part"))
        case 12: try rename(inbox.appending(".\(name).part"), to: path)
        case 13: try link(path, to: inbox.appending(pick(Self.files)))
        case 14: try folder(pick(Self.folders))
        default: try touch(path)
        }
    }

    private func drop(_ bytes: [UInt8], as path: FilePath) throws {
        let hidden = aside.appending("dropping")
        try write(bytes, to: hidden)
        try Directory.rename(hidden, to: path)
    }

    private func write(_ bytes: [UInt8], to path: FilePath) throws {
        let file = try File(path, .writeOnly, options: [.create, .truncate])
        try bytes.withUnsafeBytes { bytes in
            try file.writeAll(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]))
            try file.writeAll(UnsafeRawBufferPointer(rebasing: bytes[(bytes.count / 2)...]))
        }
    }

    private func rename(_ from: FilePath, to: FilePath) throws {
        do throws(FileError) { try Directory.rename(from, to: to) } catch
            where error.errno == .noSuchFileOrDirectory
        {}
    }

    private func link(_ from: FilePath, to: FilePath) throws {
        guard try FileStatus.of(from) != nil, try FileStatus.of(to) == nil else { return }
        try FileManager.default.linkItem(atPath: from.string, toPath: to.string)
    }

    private func touch(_ path: FilePath) throws {
        guard try FileStatus.of(path) != nil else { return }
        try FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: path.string)
    }

    /// An image folder comes, changes, moves away, or goes.
    private mutating func folder(_ name: String) throws {
        let path = inbox.appending(name)
        guard try FileStatus.of(path) != nil else {
            let hidden = aside.appending(name)
            try Directory.create(hidden)
            for layer in 0...random(0...2) {
                try write(contents[random(0...5)], to: hidden.appending("\(layer).tar"))
            }
            return try Directory.rename(hidden, to: path)
        }
        switch random(0...2) {
        case 0: try Directory.removeTree(path)
        case 1: try write(contents[random(0...5)], to: path.appending("\(random(0...3)).tar"))
        default:
            let hidden = aside.appending("away-\(steps)")
            try Directory.rename(path, to: hidden)
            try Directory.removeTree(hidden)
        }
    }

    /// Ends it, and says what lies in the folder.
    func calm() throws -> Forecast {
        var expected: [String: [Digest]?] = [:]
        for entry in try Directory.entries(in: inbox) where !entry.name.hasPrefix(".") {
            let path = inbox.appending(entry.name)
            let files =
                entry.status.kind == .directory
                ? try Directory.names(in: path).sorted { $0.string < $1.string }.map { path.appending($0) }
                : [path]
            let bytes = try files.map { try AtomicFile.read($0) ?? [] }
            let isWhole = bytes.allSatisfy { contents.dropLast().contains($0) }
            expected.updateValue(isWhole ? bytes.map { Digest.sha256(of: $0) } : nil, forKey: entry.name)
        }
        return Forecast(items: expected)
    }
}

/// What the host has to be like in the end: for each item the diffIDs of its image, nil for one that is no image.
private struct Forecast {
    var items: [String: [Digest]?]

    func differences(from installation: Installation) async throws -> [String] {
        var differences: [String] = []
        let images = try await installation.slipway("image", "ls", "-o", "json")
        let document = try JSONSerialization.jsonObject(with: Data(images.output.utf8)) as? [String: Any]
        let list = document?["images"] as? [[String: Any]] ?? []
        var pinned: [String: Set<String>] = [:]
        for image in list {
            let pins = image["pins"] as? [String] ?? []
            if pins.isEmpty { differences.append("nothing pins \(image["digest"] ?? "an image")") }
            for pin in pins { pinned[pin, default: []].insert(image["digest"] as? String ?? "") }
        }
        for (name, diffIDs) in items.sorted(by: { $0.key < $1.key }) {
            let receipt = try installation.receipt(name)
            let state = receipt?["state"] as? String ?? "without a receipt"
            guard let diffIDs else {
                // What it was before, when it was good, may stay.
                if state != "failed" { differences.append("\(name) is no image, but \(state)") }
                continue
            }
            let layers = (receipt?["layers"] as? [[String: Any]])?.compactMap { $0["diffID"] as? String }
            if state != "done" || layers != diffIDs.map(\.description) {
                differences.append("\(name) is \(state) with \(layers ?? []), not done with \(diffIDs)")
            }
            let digest = receipt?["digest"] as? String ?? ""
            if pinned["inbox/\(name)"] != [digest] {
                differences.append("\(name) pins \(pinned["inbox/\(name)"] ?? []), not \(digest)")
            }
        }
        let known = Set(items.keys.map { "inbox/\($0)" })
        differences += pinned.keys.filter { !known.contains($0) }.sorted().map {
            "\($0) pins something and is gone"
        }
        let receipts = Set(try await installation.files(below: "receipts/inbox"))
        differences += receipts.subtracting(items.keys.map { "\($0).json" }).sorted().map {
            "\($0) tells of nothing"
        }
        return differences
    }
}
