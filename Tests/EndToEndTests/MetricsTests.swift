import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Metrics of an agent")
struct MetricsTests {
    @Test("are written after its passes, readable by everyone, and follow what happens")
    func file() async throws {
        let installation = try Installation(
            settings: "inbox: { settle: 300ms }\nmetrics: { file: run/slipway.prom }\n"
        )
        let file = installation.root.appending("run/slipway.prom")
        try Directory.create(file.removingLastComponent())
        @Sendable func says(_ line: String) throws -> Bool {
            guard let bytes = try AtomicFile.read(file) else { return false }
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { $0 == line }
        }
        try await installation.withAgent {
            try await eventually("the metrics say so") {
                try says("slipway_complete 1") && says("slipway_images 0")
            }
            var tar = TarBuilder()
            tar.addFile("hello", "world")
            try installation.drop(tar.finish(), into: "inbox/web.tar")
            try installation.drop(Array("no tar".utf8), into: "inbox/broken.tar")
            try await eventually("the metrics say so") {
                try says("slipway_imports_total{result=\"added\"} 1")
                    && says("slipway_imports_total{result=\"failed\"} 1") && says("slipway_images 1")
                    && says("slipway_complete 0")
            }
        }
        #expect(try FileStatus.of(file)?.permissions.rawValue == 0o644)
        #expect(try Directory.names(in: file.removingLastComponent()).count == 1)
    }
}
