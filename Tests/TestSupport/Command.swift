import Subprocess
import SystemPackage

/// What a program printed and how it ended.
public struct CommandResult: Sendable {
    /// Standard output.
    public let output: String
    /// Standard error.
    public let errors: String
    /// The exit code; minus the signal for a killed program.
    public let status: Int32
}

/// A program that did not exit with 0 although it had to.
public struct CommandFailure: Error, CustomStringConvertible {
    /// What went wrong.
    public let description: String

    /// Creates a failure that says what went wrong.
    public init(description: String) { self.description = description }
}

/// Runs a program found on PATH and waits for it.
public func run(
    _ program: String,
    _ arguments: [String],
    environment: [String: String] = [:],
    input: String = ""
) async throws -> CommandResult {
    var variables: [Environment.Key: String] = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ]
    for (key, value) in environment { variables[Environment.Key(stringLiteral: key)] = value }
    let result = try await Subprocess.run(
        program.contains("/") ? .path(FilePath(program)) : .name(program),
        arguments: Arguments(arguments),
        environment: .inherit.updating(variables.reduce(into: [:]) { $0[$1.key] = $1.value }),
        input: .string(input),
        output: .string(limit: 256 << 20),
        error: .string(limit: 16 << 20)
    )
    let status: Int32 =
        switch result.terminationStatus {
        case .exited(let code): code
        case .signaled(let signal): -signal
        }
    return CommandResult(output: result.standardOutput, errors: result.standardError, status: status)
}

/// Runs a program that has to succeed and returns what it printed.
@discardableResult
public func check(
    _ program: String,
    _ arguments: [String],
    environment: [String: String] = [:],
    input: String = ""
) async throws -> String {
    let result = try await run(program, arguments, environment: environment, input: input)
    guard result.status == 0 else {
        throw CommandFailure(
            description:
                "\(program) \(arguments.joined(separator: " ")) exited \(result.status): \(result.errors)"
        )
    }
    return result.output
}
