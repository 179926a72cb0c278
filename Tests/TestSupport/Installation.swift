import Foundation
import Host
public import SystemPackage

/// A root directory with its folders, and the program to run on it.
public struct Installation: Sendable {
    /// What goes with the value.
    public let folder: TemporaryDirectory
    /// The root directory, in the folder.
    public let root: FilePath
    /// The built program.
    public let program: FilePath

    /// Makes an empty root.
    public init(settings: String = "") throws {
        folder = try TemporaryDirectory("root")
        root = folder.appending("slipway")
        program = try builtProduct("slipway")
        try Directory.create(root.appending("inbox"))
        try Directory.create(root.appending("requests"))
        // However full the machine of the tests is, images stay for as long as they should.
        let space = settings.contains("gc:") ? "" : "gc: { highWater: 100% }\n"
        try folder.write(settings + space, to: "config.yaml")
    }

    /// What every subcommand gets.
    public var options: [String] {
        ["--config", folder.appending("config.yaml").string, "--root", root.string]
    }

    /// Runs a subcommand to its end. What an agent published is checked after it.
    public func slipway(_ arguments: String...) async throws -> CommandResult {
        let result = try await run(program.string, arguments + options)
        if arguments.first == "agent" { try checkConfigs() }
        return result
    }

    /// Runs a subcommand that has to succeed and decodes what it printed.
    public func json(_ arguments: String...) async throws -> [String: Any] {
        try Self.object(try await check(program.string, arguments + options + ["-o", "json"]).utf8)
    }

    /// Runs the agent while `body` does. What it published is checked after it.
    public func withAgent<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success {
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
                guard let result else { continue }
                try checkConfigs()
                return result
            }
            throw CancellationError()
        }
    }

    /// Puts a file where the agent looks, as a careful program does: written elsewhere, then renamed in.
    public func drop(_ bytes: [UInt8], into place: String) throws {
        let temporary = try folder.write(bytes, to: "dropping")
        try Directory.rename(temporary, to: root.appending(place))
    }

    /// The receipt of an item of the inbox whose name needs no encoding; nil while there is none.
    public func receipt(_ item: String) throws -> [String: Any]? {
        try document("receipts/inbox/\(item).json")
    }

    /// Whether an item of the inbox stands so.
    public func stands(_ item: String, _ state: String) throws -> Bool {
        try receipt(item)?["state"] as? String == state
    }

    /// Runs a shell script in the inbox.
    public func inInbox(_ script: String) async throws {
        try await check("bash", ["-ec", "cd '\(root)/inbox'; \(script)"])
    }

    /// The JSON in a file below the root; nil while there is none.
    public func document(_ path: String) throws -> [String: Any]? {
        guard let bytes = try AtomicFile.read(root.pushing(FilePath(path))) else { return nil }
        return try Self.object(bytes)
    }

    /// The config that an agent published of a VM; nil while there is none.
    ///
    /// - Throws: what Cloud Hypervisor, or a guest of the contract, would have against it.
    public func config(of vm: String) throws -> [String: Any]? {
        let place = "vms/\(vm)/config.json"
        guard let bytes = try AtomicFile.read(root.pushing(FilePath(place))) else { return nil }
        let problems = HypervisorCheck.problems(ofPublished: bytes)
        guard problems.isEmpty else {
            throw CommandFailure(description: "\(place): \(problems.joined(separator: "; "))")
        }
        return try Self.object(bytes)
    }

    /// Checks all configs that lie there.
    private func checkConfigs() throws {
        let vms = root.appending("vms")
        guard try FileStatus.of(vms) != nil else { return }
        for name in try Directory.names(in: vms).map(\.string) where !name.hasPrefix(".") {
            _ = try config(of: name)
        }
    }

    /// The names of all files below a folder of the root.
    public func files(below path: String) async throws -> [String] {
        try await check("find", [root.pushing(FilePath(path)).string, "-type", "f", "-printf", "%P\n"])
            .split(separator: "\n").map(String.init).sorted()
    }

    private static func object(_ bytes: some Sequence<UInt8>) throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
            throw CommandFailure(description: "that is no JSON object")
        }
        return object
    }
}

/// Waits until something holds, at most a minute: how long it took is not what is tested.
public func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw CommandFailure(description: "waited in vain for \(what)")
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}
