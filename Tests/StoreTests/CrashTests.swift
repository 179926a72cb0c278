import Foundation
import GRDB
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Store

@Suite("Several processes, killed anywhere")
struct CrashTests {
    /// How long processes race: `SLIPWAY_RACE_SECONDS` for longer.
    private static let duration = Duration.seconds(
        ProcessInfo.processInfo.environment["SLIPWAY_RACE_SECONDS"].flatMap(Int.init) ?? 3
    )
    private static var milliseconds: String { "\(duration.components.seconds * 1000)" }

    /// The tool lies beside the test bundle.
    static let tool: String = {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent(
            "StoreRaceTool"
        ).path
    }()

    /// Kills the process as it enters the Nth of a kind of system call, for every N there is. Each kind is counted
    /// per thread, which reaches every call of the story's one thread at a time.
    @Test(
        "a story killed before any one of its file operations leaves a sound store",
        arguments: [
            "rename,renameat2", "fsync,fdatasync", "unlink,unlinkat,rmdir", "mkdir,fchmod", "pwrite64",
        ]
    )
    func killedAtEveryStep(calls: String) async throws {
        let folder = try MemoryDirectory()
        var step = calls == "pwrite64" ? 3 : 1
        var died = 0
        while true {
            let layout = StoreLayout(root: folder.appending("store-\(step)"))
            let result = try await run(
                "strace",
                [
                    // Nothing looks for leaks in a program that is traced.
                    "-E", "ASAN_OPTIONS=detect_leaks=0", "-f", "-qq", "-o", "/dev/null", "-e",
                    "trace=\(calls)",
                    "-e", "inject=\(calls):signal=KILL:when=\(step)", Self.tool, layout.root.string, "story",
                ]
            )
            // Strace ends as its program did.
            guard result.status == -SIGKILL else {
                #expect(result.status == 0, "\(result.errors)")
                break
            }
            died += 1
            try await expectAcknowledged(result.output, layout, "\(calls) \(step)")
            try await expectInvariants(of: layout, "\(calls) \(step)")
            // The story told again on what was left ends well.
            try await check(Self.tool, [layout.root.string, "story"])
            try Directory.removeTree(layout.root)
            step += calls == "pwrite64" ? 5 : 1
        }
        #expect(died >= 2, "the injection reached the story")
    }

    private func expectAcknowledged(_ output: String, _ layout: StoreLayout, _ label: String) async throws {
        let steps = Set(output.split(separator: "\n"))
        let store = try Store(layout: layout)
        let images = try await store.images()
        if steps.contains("image"), !steps.contains("free") {
            #expect(images.count == 1, "\(label): an image that was answered for is gone")
        }
        if steps.contains("collected") {
            #expect(images.isEmpty, "\(label): an image that was collected is back")
        }
    }

    @Test("two processes commit, lease, bind and collect at random on one store")
    func race() async throws {
        let folder = try MemoryDirectory()
        let layout = StoreLayout(root: folder.appending("store"))
        async let first = run(Self.tool, [layout.root.string, "random", Self.milliseconds, "1"])
        async let second = run(Self.tool, [layout.root.string, "random", Self.milliseconds, "2"])
        for result in try await [first, second] {
            #expect(result.status == 0, "\(result.errors)")
            let steps = result.output.split(separator: " ").first.flatMap { Int($0) }
            #expect(steps ?? 0 > 0)
        }
        try await expectInvariants(of: layout, "race")
    }

    @Test("processes killed at random moments never hurt the one that lives", arguments: [11, 22])
    func killedAtRandom(seed: UInt64) async throws {
        let folder = try MemoryDirectory()
        let layout = StoreLayout(root: folder.appending("store"))
        async let survivor = run(Self.tool, [layout.root.string, "random", Self.milliseconds, "\(seed)"])
        let end = ContinuousClock.now + Self.duration
        var round = 0
        while ContinuousClock.now < end || round < 3 {
            round += 1
            let seconds = Double.random(in: 0.05...0.4)
            let victim = try await run(
                "timeout",
                ["-s", "KILL", "\(seconds)", Self.tool, layout.root.string, "random", "60000", "\(round)"]
            )
            #expect(victim.status != 0)
        }
        let result = try await survivor
        #expect(result.status == 0, "\(result.errors)")
        try await expectInvariants(of: layout, "kill")
    }

    @Test("many processes that make one store at once all open it")
    func migrateAtOnce() async throws {
        let folder = try TemporaryDirectory("migrate")
        let root = folder.appending("store").string
        try await withThrowingTaskGroup(of: CommandResult.self) { group in
            for _ in 0..<6 { group.addTask { try await run(Self.tool, [root, "open"]) } }
            for try await result in group { #expect(result.status == 0, "\(result.errors)") }
        }
    }

    @Test(
        "a full disk fails the commit as out of space, shows nothing, and the same commit works once there is room"
    )
    func diskFull() async throws {
        let folder = try TemporaryDirectory("full")
        let mount = folder.appending("mount")
        try Directory.create(mount)
        try await check("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", mount.string])
        do {
            try await fillAndRecover(mount)
        } catch {
            try await check("umount", ["-l", mount.string])
            throw error
        }
        try await check("umount", ["-l", mount.string])
    }

    private func fillAndRecover(_ mount: FilePath) async throws {
        let fixture = try StoreFixture(root: mount.appending("store"))
        let workspace = try await fixture.store.openWorkspace("full")
        try await fixture.commit("before", in: workspace)
        let record = StoreFixture.record("a")
        let (file, _) = try fixture.write(record, "a", in: workspace)
        let ballast = mount.appending("ballast")
        _ = try await run("dd", ["if=/dev/zero", "of=\(ballast)", "bs=4k"])
        var error: StoreError?
        // The log has room for a few commits left; the index fills up in the end.
        for number in 0..<2000 where error == nil {
            error = try await storeError {
                try await fixture.store.setSource(
                    SourceRecord(
                        source: .inbox("\(number)"),
                        identity: String(repeating: "x", count: 3000),
                        state: .done
                    )
                )
            }
        }
        #expect(error?.isOutOfSpace == true)
        #expect(error?.isTransient == true)
        let commit = try await storeError {
            _ = try await fixture.store.commitBlob(
                record,
                file: file,
                bootDirectory: nil,
                compressed: nil,
                in: workspace
            )
        }
        #expect(commit?.isOutOfSpace == true)
        #expect(try await fixture.store.blob(record.key, leasedBy: nil) == nil)
        #expect(try await fixture.store.blob(StoreFixture.key("before"), leasedBy: nil) != nil)
        try Directory.unlink(ballast)
        try await fixture.commit("a", in: workspace)
        await workspace.close()
        try await expectInvariants(of: fixture.layout, "disk full")
    }
}
