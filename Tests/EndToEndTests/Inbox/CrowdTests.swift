import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Very many files at once")
struct CrowdTests {
    /// As many as are dropped; `SLIPWAY_CROWD` for another number.
    private let count = ProcessInfo.processInfo.environment["SLIPWAY_CROWD"].flatMap(Int.init) ?? 1000

    @Test("all are taken within bounded memory, and a file dropped after them is not behind them all")
    func crowd() async throws {
        let installation = try Installation(settings: "inbox: { settle: 300ms, rescan: 1h }\n")
        let source = try installation.folder.write(archive(0), to: "source.tar").string
        let aside = installation.folder.appending("aside").string
        // Each a tar of its own content, made by changing the same few bytes of one.
        try await check(
            "python3",
            [
                "-c",
                """
                import os, sys
                source, folder, count = open(sys.argv[1], 'rb').read(), sys.argv[2], int(sys.argv[3])
                os.mkdir(folder)
                for number in range(1, count + 1):
                    with open(f'{folder}/{number}.tar', 'wb') as file:
                        file.write(source.replace(b'number 00000000', b'number %08d' % number))
                """, source, aside, "\(count)",
            ]
        )
        let agent = try RunningAgent(installation)
        try await eventually("the agent to run") { try agent.output().contains("first pass") }
        try await installation.inInbox("find \(aside) -type f -exec mv -t . {} +")
        func taken() async throws -> Int {
            try agent.output().split(separator: "\n").count {
                $0.contains(" imported ") && !$0.contains("late.tar")
            }
        }
        try await eventually("the first of them") { try await taken() > 10 }
        try installation.drop(archive(99_999_999), into: "inbox/late.tar")
        try await eventually("the late one") { try installation.stands("late.tar", "done") }
        let before = try await taken()
        #expect(before < count * 9 / 10, "\(before) of \(count) were taken before the one that came last")
        let deadline = ContinuousClock.now + .seconds(600)
        while try await taken() < count, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(500))
        }
        #expect(try await taken() == count)
        let memory = try agent.peakMemory()
        #expect(memory < 400 << 20, "\(memory >> 20) MiB")
        try await agent.stop()
        #expect(try await installation.files(below: "receipts/inbox").count == count + 1)
    }

    private func archive(_ number: Int) -> [UInt8] {
        var tar = TarBuilder()
        tar.addFile(
            "etc/hostname",
            "number \(String(repeating: "0", count: max(0, 8 - "\(number)".count)))\(number)"
        )
        return tar.finish()
    }
}
