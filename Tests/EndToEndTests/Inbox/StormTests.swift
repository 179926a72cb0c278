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

    @Test(
        "drops of tars, archives and promised digests, rewrites, renames, deletes and kills end in exactly what the folder says"
    )
    func storm() async throws {
        let installation = try Installation(
            settings: """
                inbox: { settle: 400ms, folderSettle: 600ms, rescan: 1s }
                gc: { unpinnedTTL: 0s }
                """
        )
        var weather = try await Weather(installation, seed: seed)
        var agent = try RunningAgent(installation)
        let end = ContinuousClock.now + duration
        var nextKill = ContinuousClock.now + .milliseconds(500)
        var kills = 0
        // A busy machine takes longer for a storm that is one.
        while ContinuousClock.now < end || weather.steps <= 500 || kills <= 5 {
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
    }
}
