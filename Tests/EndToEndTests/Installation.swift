import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

/// A root directory with its folders, and the program to run on it.
struct Installation {
    let folder: TemporaryDirectory
    let root: FilePath
    let program: FilePath

    init(settings: String = "") throws {
        folder = try TemporaryDirectory("root")
        root = folder.appending("slipway")
        program = try builtProduct("slipway")
        try Directory.create(root.appending("inbox"))
        try Directory.create(root.appending("requests"))
        try folder.write(settings, to: "config.yaml")
    }

    /// What every subcommand gets.
    var options: [String] {
        ["--config", folder.appending("config.yaml").string, "--root", root.string]
    }

    /// Runs a subcommand to its end.
    func slipway(_ arguments: String...) async throws -> CommandResult {
        try await run(program.string, arguments + options)
    }

    /// Runs a subcommand that has to succeed and decodes what it printed.
    func json(_ arguments: String...) async throws -> [String: Any] {
        let result = try await run(program.string, arguments + options + ["-o", "json"])
        try #require(result.status == 0, "\(arguments): \(result.errors)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        )
    }

    /// Runs the agent while `body` does.
    func withAgent<Success: Sendable>(_ body: @escaping @Sendable () async throws -> Success) async throws
        -> Success
    {
        try await withThrowingTaskGroup(of: Success?.self) { group in
            let program = program.string, arguments = ["agent"] + options
            group.addTask {
                let result = try await run(program, arguments)
                if Task.isCancelled { return nil }
                throw CommandFailure(description: "the agent ended with \(result.status): \(result.errors)")
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    /// Puts a file where the agent looks, as a careful program does: written elsewhere, then renamed in.
    func drop(_ bytes: [UInt8], into place: String) throws {
        let temporary = try folder.write(bytes, to: "dropping")
        try Directory.rename(temporary, to: root.appending(place))
    }

    /// The JSON in a file below the root; nil while there is none.
    func document(_ path: String) throws -> [String: Any]? {
        guard let bytes = try AtomicFile.read(root.pushing(FilePath(path))) else { return nil }
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    /// The names of all files below a folder of the root.
    func files(below path: String) async throws -> [String] {
        try await check("find", [root.pushing(FilePath(path)).string, "-type", "f", "-printf", "%P\n"])
            .split(separator: "\n").map(String.init).sorted()
    }
}

/// Waits until something holds, at most a minute: how long it took is not what is tested.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw CommandFailure(description: "waited in vain for \(what)")
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}
