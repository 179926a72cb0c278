import Agent
import ArgumentParser
import Foundation
import Glibc
import Logging
import SystemPackage

/// The options of every command.
struct GlobalOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Read this file instead of /etc/slipway.", valueName: "file"))
    var config: String?

    @Option(name: .long, help: ArgumentHelp("The folder with inputs, outputs and store.", valueName: "dir"))
    var root: String?

    @Option(name: [.short, .long], help: "The form of the output.")
    var output: OutputFormat = .table

    @Option(name: .long, help: "Log what is at least this important.")
    var logLevel: LogLevel?

    @Option(name: .long, help: "The form of logs on stderr.")
    var logFormat: LogFormat = .text

    /// Reads the settings. Flags win over the environment, files, and defaults.
    func load() throws -> LoadedSettings {
        let environment = ProcessInfo.processInfo.environment
        let file = config ?? environment["SLIPWAY_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        var loader = SettingsLoader(file: file.map { absolute($0) }, environment: environment)
        if let root { loader.flags["root"] = (absolute(root).string, "--root") }
        return try loader.load()
    }

    /// Sends logs to stderr. Commands say less by themselves than the agent does.
    func startLogging(defaultLevel: LogLevel) -> Logger {
        let level = (logLevel ?? defaultLevel).level
        let style: LogHandler.Style =
            switch logFormat {
            case .json: .json
            case .text: getenv("JOURNAL_STREAM") != nil ? .journal : .text
            }
        LoggingSystem.bootstrap { label in LogHandler(label: label, style: style, level: level) }
        return Logger(label: "slipway")
    }

    /// A path on the command line is relative to the working directory.
    func absolute(_ path: String) -> FilePath {
        let given = FilePath(path)
        guard !given.isAbsolute else { return given.lexicallyNormalized() }
        return FilePath(FileManager.default.currentDirectoryPath).pushing(given).lexicallyNormalized()
    }
}

/// `-o`
enum OutputFormat: String, ExpressibleByArgument, CaseIterable { case table, json }

/// `--log-format`
enum LogFormat: String, ExpressibleByArgument, CaseIterable { case text, json }

/// `--log-level`
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, notice, warning, error, critical

    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}
