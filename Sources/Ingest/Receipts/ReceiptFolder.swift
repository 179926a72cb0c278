import FoundationEssentials
import Host
import Logging
import OCI
import Store
public import SystemPackage

/// Writes receipts in the background, the last one of an item only, each file whole and durable.
///
/// A receipt tells what the index knows, so one that cannot be written is logged and nothing waits for it.
actor ReceiptFolder {
    private let path: FilePath
    private let logger: Logger
    /// What is to be written; nil removes the receipt.
    private var pending: [String: Receipt?] = [:]
    private var writer: Task<Void, Never>?

    init(path: FilePath, logger: Logger) {
        self.path = path
        self.logger = logger
    }

    /// Writes a receipt soon.
    func put(_ receipt: Receipt) { schedule(receipt.item, receipt) }

    /// Removes a receipt soon.
    func remove(_ item: String) { schedule(item, nil) }

    /// Waits until everything asked for so far is written.
    func flush() async { while let writer { await writer.value } }

    /// The file names of the receipts that are there.
    func names() async throws -> Set<String> {
        let path = path
        return try await onThread(named: "receipts") { _ in
            guard try FileStatus.of(path) != nil else { return [] }
            return Set(
                try Directory.names(in: path).map(\.string).filter { $0.hasSuffix(ReceiptName.ending) }
            )
        }
    }

    /// What tells whether a receipt is up to date.
    struct Summary: Sendable {
        /// Nil where the file is no receipt.
        var state: SourceRecord.State?
        var digest: Digest?
        var removed = false
    }

    /// Removes what processes left that were killed while they wrote a receipt.
    func sweep() async throws {
        let path = path
        try await onThread(named: "receipts") { _ in
            guard try FileStatus.of(path) != nil else { return }
            try TemporaryFile.sweep(path)
        }
    }

    /// What the receipts that are there say, by file name.
    func summaries() async throws -> [String: Summary] {
        let path = path
        return try await onThread(named: "receipts") { _ in
            guard try FileStatus.of(path) != nil else { return [:] }
            var result: [String: Summary] = [:]
            for name in try Directory.names(in: path).map(\.string) where name.hasSuffix(ReceiptName.ending) {
                let receipt = try? Receipt.read(path.appending(name))
                result[name] = Summary(
                    state: receipt?.state,
                    digest: receipt?.digest,
                    removed: receipt?.removed ?? false
                )
            }
            return result
        }
    }

    /// Reads a receipt by its file name; nil when it is not there or not one.
    func read(file name: String) async -> Receipt? {
        let file = path.appending(name)
        return try? await onThread(named: "receipts") { _ in try Receipt.read(file) }
    }

    /// Removes a receipt by its file name.
    func removeFile(_ name: String) async throws {
        let file = path.appending(name)
        try await onThread(named: "receipts") { _ in try Directory.unlink(file) }
    }

    private func schedule(_ item: String, _ receipt: Receipt?) {
        pending.updateValue(receipt, forKey: item)
        if writer == nil { writer = Task { await self.drain() } }
    }

    private func drain() async {
        while !pending.isEmpty {
            let batch = pending
            pending = [:]
            let path = path
            let failures: [String]
            do {
                failures = try await onThread(named: "receipts") { _ in
                    try Directory.create(path)
                    return batch.compactMap { item, receipt in Self.write(receipt, item, in: path) }
                }
            } catch { failures = ["\(error)"] }
            for failure in failures {
                logger.error("cannot write a receipt", metadata: ["error": "\(failure)"])
            }
        }
        writer = nil
    }

    /// What went wrong, if anything did.
    private static func write(_ receipt: Receipt?, _ item: String, in folder: FilePath) -> String? {
        let file = folder.appending(ReceiptName.of(item))
        do {
            if let receipt {
                try AtomicFile.write(try receipt.encoded(), to: file)
            } else {
                try Directory.unlink(file)
            }
            return nil
        } catch { return "\(error)" }
    }
}

extension Receipt {
    /// A moment as receipts write it (RFC 3339, UTC).
    static func text(_ date: Date) -> String { date.ISO8601Format() }

    /// The receipt as JSON, keys sorted, with a final newline.
    public func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self)) + [10]
    }

    /// Reads a receipt; nil when it is not there.
    public static func read(_ path: FilePath) throws -> Receipt? {
        guard let bytes = try AtomicFile.read(path) else { return nil }
        return try JSONDecoder().decode(Receipt.self, from: Data(bytes))
    }
}
