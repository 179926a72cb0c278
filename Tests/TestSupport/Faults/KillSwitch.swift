import Host
public import SystemPackage

/// Runs a program again and again, and kills it as it enters the first, the second, … of its file operations below a
/// folder.
public struct KillSwitch: Sendable {
    private let library: FilePath
    private let folder: FilePath

    /// Builds the library that the program gets preloaded.
    ///
    /// - Parameters:
    ///   - folder: below which operations count; absolute.
    ///   - scratch: where the library and its notes lie.
    public init(below folder: FilePath, in scratch: TemporaryDirectory) async throws {
        self.folder = folder
        library = scratch.appending("kill_at.so")
        let source = FilePath(#filePath).removingLastComponent().appending("kill_at.c")
        try await check(
            "gcc",
            ["-std=gnu11", "-shared", "-fPIC", "-o", library.string, source.string, "-ldl"]
        )
    }

    /// Runs a program once, with its end at an operation.
    ///
    /// - Parameter number: the operation, from 1.
    /// - Returns: the operation that it died of; nil where it came to its end before.
    public func run(_ program: FilePath, _ arguments: [String], killingAt number: Int) async throws -> String?
    {
        let notes = library.removingLastComponent().appending("operations")
        try Directory.unlink(notes)
        let result = try await TestSupport.run(
            program.string,
            arguments,
            environment: [
                "LD_PRELOAD": library.string, "KILL_BELOW": folder.string, "KILL_AT": "\(number)",
                "KILL_LOG": notes.string,
            ]
        )
        let operations = String(decoding: try AtomicFile.read(notes) ?? [], as: UTF8.self)
            .split(separator: "\n").map(String.init)
        if operations.count == number, result.status != 0 { return operations.last }
        guard result.status == 0, operations.count < number else {
            throw CommandFailure(
                description:
                    "\(program) ended with \(result.status) after \(operations.count) operations: \(result.errors)"
            )
        }
        return nil
    }
}
