public import EROFS
public import Host
import Subprocess
public import SystemPackage

/// A program of erofs-utils, as this host has it.
public struct ErofsTool: Sendable, Hashable {
    /// The programs that are used.
    public enum Program: String, Sendable {
        /// Writes images.
        case mkfs = "mkfs.erofs"
        /// Checks images.
        case fsck = "fsck.erofs"
    }

    /// Which one it is.
    public let program: Program
    /// Where it lies.
    public let path: FilePath
    /// The release it says it is.
    public let version: ErofsUtilsVersion

    /// Finds a program and asks for its version.
    ///
    /// - Throws: ``ImageError`` `unsupported`, transient: installing it is all that is needed.
    public static func find(_ program: Program, in search: SearchPath) async throws(ImageError) -> ErofsTool {
        guard let path = search.program(program.rawValue) else {
            throw ImageError(
                .unsupported,
                "\(program.rawValue) is not installed: install erofs-utils",
                isTransient: true
            )
        }
        let result = try await run(path, ["-V"])
        guard let version = ErofsUtilsVersion(printed: result.output + result.errors) else {
            throw ImageError(
                .unsupported,
                "\(path) does not tell its version: is it \(program.rawValue) of erofs-utils?",
                isTransient: true
            )
        }
        return ErofsTool(program: program, path: path, version: version)
    }

    /// How a program ended and what it printed.
    struct Outcome: Sendable {
        var status: TerminationStatus
        var output: String
        var errors: String

        var isSuccess: Bool { status == .exited(0) }

        /// The last lines it printed, fit for a message.
        var said: String {
            let lines = (output + "\n" + errors).split(whereSeparator: \.isNewline)
            let text = lines.suffix(4).joined(separator: "; ")
            return text.isEmpty ? "it said nothing" : String(printable: text.utf8.suffix(1000))
        }
    }

    /// Runs it without input. Cancelling the task kills it.
    func run(_ arguments: [String]) async throws(ImageError) -> Outcome {
        try await Self.run(path, arguments)
    }

    /// Runs it with a descriptor for its input, which is closed here once it runs. Cancelling the task kills it.
    func run(_ arguments: [String], input: FileDescriptor) async throws(ImageError) -> Outcome {
        try await Self.run(path, arguments, .fileDescriptor(input, closeAfterSpawningProcess: true))
    }

    private static func run(
        _ path: FilePath,
        _ arguments: [String],
        _ input: some InputProtocol = .none
    ) async throws(ImageError) -> Outcome {
        do {
            let result = try await Subprocess.run(
                .path(path),
                arguments: Arguments(arguments),
                environment: .inherit.updating(["LC_ALL": "C"]),
                input: input,
                output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20)
            )
            try Task.checkCancellation()
            return Outcome(
                status: result.terminationStatus,
                output: result.standardOutput,
                errors: result.standardError
            )
        } catch is CancellationError {
            throw ImageError(.cancelled, "stopped while running \(path)", isTransient: true)
        } catch {
            throw ImageError(.io, "cannot run \(path): \(error)", isTransient: true)
        }
    }
}

extension ErofsTool {
    /// Finds a program that is fit for what Slipway has it do.
    ///
    /// - Parameter guestKernel: the setting: with a newer one, images may have what an older program does not know.
    /// - Throws: ``ImageError`` `unsupported`, transient, which says what is installed and what to do.
    public static func fit(
        _ program: Program,
        for guestKernel: GuestKernel,
        in search: SearchPath
    ) async throws(ImageError) -> ErofsTool {
        let tool = try await find(program, in: search)
        if let reason = tool.unfitness(for: guestKernel) {
            throw ImageError(
                .unsupported,
                "\(tool.path) is version \(tool.version), \(reason)",
                isTransient: true
            )
        }
        return tool
    }

    /// Why this version will not do (erofs-utils, ChangeLog); nil when it will.
    private func unfitness(for guestKernel: GuestKernel) -> String? {
        switch program {
        case .fsck where version < ErofsUtilsVersion(1, 5):
            "which cannot look into compressed data: 1.5 or later is needed"
        case .fsck where version < ErofsUtilsVersion(1, 6) && guestKernel >= .fragments:
            "which does not know that small files are packed together, as store.guestKernel \(guestKernel) allows: 1.6 "
                + "or later is needed; install a newer erofs-utils, or set store.guestKernel to 5.17"
        case .fsck: nil
        case .mkfs where version < ErofsUtilsVersion(1, 7):
            "which cannot read a tar: 1.8.10 or later is needed; install a newer erofs-utils, or set store.engine to native"
        case .mkfs where [ErofsUtilsVersion(1, 8, 7), ErofsUtilsVersion(1, 8, 8)].contains(version):
            "which its authors withdrew because it writes broken images: 1.8.10 or later is needed; install a newer "
                + "erofs-utils, or set store.engine to native"
        case .mkfs where version < ErofsUtilsVersion(1, 8, 10):
            "which has errors in what it makes of tars: 1.8.10 or later is needed; install a newer erofs-utils, or set "
                + "store.engine to native"
        case .mkfs: nil
        }
    }
}
