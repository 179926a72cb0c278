import Agent
import ArgumentParser
import Documents
import Foundation
import Store

/// `slipway doctor`
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at what of this host the agent depends on.",
        discussion: "Changes nothing. The exit code is 3 if something will fail."
    )

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let settings = try options.load().settings
        try Ownership.assume(of: settings.paths.store.root, root: settings.root)
        let findings = await Doctor(settings, environment: ProcessInfo.processInfo.environment).examine()
        if options.output == .json {
            try StandardOutput.write(json: ["schema": 1, "findings": .encoding(findings)])
        } else {
            var table = Table(.text("SUBJECT"), .text("VERDICT"), .text("MESSAGE"))
            for finding in findings { table.add(finding.subject, finding.verdict.rawValue, finding.message) }
            StandardOutput.write(table.text)
        }
        guard findings.allSatisfy({ $0.verdict != .bad }) else { throw ExitCode(ExitStatus.partial.rawValue) }
    }
}
