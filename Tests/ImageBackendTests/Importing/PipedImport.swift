import Glibc
import Host
import Store
import Synchronization
import SystemPackage
import TestSupport

@testable import ImageBackend

/// An import through a pipe, and what the store's temporary folder held meanwhile.
struct PipedImport {
    /// The pipe's end to read from.
    let reading: File
    private let writing: FileDescriptor

    init() throws {
        let ends = try Pipe.make()
        reading = File(owning: ends.reading, path: "standard input")
        writing = ends.writing
    }

    /// Closes the end to read from, though somebody may hold it open: whoever feeds the pipe would wait for ever.
    func abandon() { _ = dup2(FileDescriptor.standardInput.rawValue, reading.descriptor.rawValue) }

    /// Writes all bytes into the pipe, however long that takes, and closes it.
    ///
    /// - Parameter afterPiece: called each time that some bytes went in.
    func feed(
        _ bytes: [UInt8],
        closing: Bool = true,
        afterPiece: @escaping @Sendable () throws -> Void = {}
    ) async throws {
        let writing = writing
        try await onThread(named: "feed") { _ in
            Pipe.reportBrokenOnThisThread()
            defer { if closing { close(writing.rawValue) } }
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(64 << 10)
                // Nobody reads any more once an import has failed.
                let count = piece.withUnsafeBytes { write(writing.rawValue, $0.baseAddress, $0.count) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
                try afterPiece()
            }
        }
    }
}

extension TestBackend {
    /// Imports what comes through a pipe.
    ///
    /// - Returns: the image, and the most bytes that the store's temporary folder held at once.
    func piping(
        _ bytes: [UInt8],
        as name: String,
        select: String? = nil,
        tracker: any Tracker = SilentTracker()
    ) async throws -> (image: Image, mostInTemp: UInt64) {
        let pipe = try PipedImport()
        let most = Mutex<UInt64>(0)
        let temp = store.layout.temp
        async let fed: Void = pipe.feed(bytes) {
            let size = try bytesIn(temp)
            most.withLock { $0 = max($0, size) }
        }
        let request = ImportRequest(
            name: name,
            inputs: [.pipe(pipe.reading)],
            select: select,
            source: .hand
        )
        let result: Result<Image, any Error>
        do { result = .success(try await backend.import(request, tracker: tracker)) } catch {
            result = .failure(error)
            pipe.abandon()
        }
        try await fed
        let mostInTemp = most.withLock { $0 }
        return (try result.get(), mostInTemp)
    }
}

/// Bytes of all files below a folder; what vanishes meanwhile counts for nothing.
private func bytesIn(_ folder: FilePath) throws -> UInt64 {
    var sum: UInt64 = 0
    for name in (try? Directory.names(in: folder)) ?? [] {
        let path = folder.appending(name)
        guard let status = try FileStatus.of(path) else { continue }
        sum += status.kind == .directory ? try bytesIn(path) : status.size
    }
    return sum
}
