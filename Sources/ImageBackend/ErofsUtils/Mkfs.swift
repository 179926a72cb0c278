import EROFS
import Host
import Synchronization
import SystemPackage

extension ErofsTool {
    /// Has mkfs.erofs write an image anew.
    ///
    /// The program gets the image's tree as a tar on its standard input, one that was written here: what archives of
    /// others hold it never sees, and what it would make of whiteouts, sparse files or missing folders does not matter.
    /// What it wrote is checked, and has to hold as many names and as many bytes.
    ///
    /// Its own temporary data, all file content uncompressed, lies in a hole a terabyte into the output while it works;
    /// an output of a failure is removed.
    ///
    /// - Parameters:
    ///   - source: an image written here.
    ///   - output: the new image; nothing may lie there.
    /// - Returns: the new image's size in bytes and the lowest Linux version that reads it.
    func rewrite(
        _ source: FilePath,
        to output: FilePath,
        compression: EROFS.Compression,
        uuid: [UInt8]
    ) async throws(ImageError) -> (size: UInt64, minimumKernel: GuestKernel) {
        do {
            let before = try await onThread(named: "check-image") { cancellation in
                let report = try ImageCheck(cancellation: cancellation).check(File.regular(source))
                try Self.requireSpace(report.fileBytes, for: output)
                return report
            }
            try await write(source, to: output, Self.options(compression) + ["-U", Self.text(uuid)])
            return try await onThread(named: "check-image") { [version] cancellation in
                let file = try File.regular(output)
                let after = try ImageCheck(cancellation: cancellation).check(file)
                guard after.entries == before.entries, after.fileBytes == before.fileBytes else {
                    throw ImageError(
                        .checkFailed,
                        "mkfs.erofs \(version) wrote \(after.entries) names and \(after.fileBytes) bytes of files, it was "
                            + "given \(before.entries) and \(before.fileBytes); set store.engine to native"
                    )
                }
                return (try file.status().size, try ImageReader(file: file).superblock.minimumKernel)
            }
        } catch {
            // The error that led here is what the caller hears; the workspace goes with all in it.
            _ = try? Directory.unlink(output)
            throw ImageError(error, during: "writing an image with \(path)")
        }
    }

    private static func options(_ compression: EROFS.Compression) -> [String] {
        switch compression {
        case .none: []
        case .lz4(let clusterSize): ["-zlz4", "-C\(clusterSize)"]
        case .lz4hc(let level, let clusterSize): ["-zlz4hc,\(level)", "-C\(clusterSize)"]
        }
    }

    /// The program keeps everything uncompressed beside what it writes.
    private static func requireSpace(_ bytes: UInt64, for output: FilePath) throws {
        let free = try FileSystemStatus.of(output.removingLastComponent()).availableBytes
        guard free / 2 > bytes else {
            throw ImageError(
                .noSpace,
                "mkfs.erofs needs twice the \(bytes) bytes of the layer's files, and \(free) are free",
                isTransient: true
            )
        }
    }

    /// The canonical form of a UUID (RFC 9562, section 4).
    private static func text(_ uuid: [UInt8]) -> String {
        let digits = uuid.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        let groups = [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10...]]
        return groups.map { $0.joined() }.joined(separator: "-")
    }

    // MARK: Running it

    private func write(_ source: FilePath, to output: FilePath, _ options: [String]) async throws {
        let arguments = ["--tar=f", "--quiet", "-b4096"] + options + [output.string]
        let (reading, writing) = try Pipe.make()
        let outcome = try await withThrowingTaskGroup(of: Outcome?.self) { group in
            group.addTask { try await run(arguments, input: reading) }
            group.addTask {
                try await feed(source, into: writing)
                return nil
            }
            var outcome: Outcome?
            // A failure of one cancels the other: the program is killed, a pipe without a reader ends the feeding.
            while let ended = try await group.next() { outcome = ended ?? outcome }
            return outcome
        }
        guard let outcome, outcome.isSuccess else {
            let status = outcome.map { "\($0.status)" } ?? "not run"
            throw ImageError(.io, "mkfs.erofs \(version) failed (\(status)): \(outcome?.said ?? "")")
        }
    }

    /// Writes the tree into the pipe and closes it. A program that ended early says itself why.
    private func feed(_ source: FilePath, into pipe: FileDescriptor) async throws {
        let feed = Feed(pipe)
        try await onThread(named: "feed-mkfs") { cancellation in
            guard let pipe = feed.take() else { return }
            Pipe.reportBrokenOnThisThread()
            do {
                let image = try ImageReader(file: File.regular(source))
                var buffer: [UInt8] = []
                func flush() throws(FileError) {
                    let outcome = buffer.withUnsafeBytes { bytes in
                        Result { () throws(FileError) in try pipe.writeAll(bytes) }
                    }
                    try outcome.get()
                    buffer.removeAll(keepingCapacity: true)
                }
                try ImageTar(image: image, cancellation: cancellation).write { bytes in
                    buffer.append(contentsOf: bytes)
                    if buffer.count >= 256 << 10 { try flush() }
                }
                try flush()
            } catch let error as FileError where error.errno == .brokenPipe {}
        }
    }
}

/// The end of the pipe that the program's input is written to, until the thread that writes takes it: it is closed
/// whatever becomes of that thread, and with that the program ends.
private final class Feed: Sendable {
    private let pipe: Mutex<File?>

    init(_ descriptor: FileDescriptor) {
        pipe = Mutex(File(owning: descriptor, path: "the pipe to mkfs.erofs"))
    }

    func take() -> File? { pipe.withLock { $0.take() } }
}
