import Agent
import ArgumentParser
import Documents
import Foundation
import SystemPackage

/// `slipway config`
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Show and check the configuration.",
        subcommands: [Show.self, Check.self]
    )

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show every setting and where its value comes from."
        )

        @OptionGroup var options: GlobalOptions

        func run() throws {
            let entries = try options.load().entries
            if options.output == .json {
                let settings = entries.map { entry -> JSONValue in
                    [
                        "key": .string(entry.key), "value": entry.value,
                        "origin": .string(entry.origin.description),
                    ]
                }
                return StandardOutput.write(json: ["schema": 1, "settings": .array(settings)])
            }
            var table = Table(.text("KEY"), .text("VALUE"), .text("ORIGIN"))
            for entry in entries {
                table.add(entry.key, entry.value.string ?? entry.value.text, entry.origin.description)
            }
            StandardOutput.write(table.text)
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Check the configuration.",
            discussion:
                "The exit code is 78 if it cannot be used. Warnings go to stderr and change no exit code."
        )

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            var loaded = try options.load()
            let environment = ProcessInfo.processInfo.environment
            loaded.warnings += await loaded.settings.checkHost(environment: environment)
            if options.output == .json {
                let files = loaded.files.map { JSONValue.string($0.string) }
                let warnings = loaded.warnings.map { JSONValue.string($0) }
                return StandardOutput.write(
                    json: ["schema": 1, "files": .array(files), "warnings": .array(warnings)])
            }
            for warning in loaded.warnings { StandardError.write("warning: \(warning)\n") }
            let files =
                loaded.files.isEmpty ? "defaults only" : loaded.files.map(\.string).joined(separator: ", ")
            StandardOutput.write("The configuration can be used (\(files)).\n")
        }
    }
}
