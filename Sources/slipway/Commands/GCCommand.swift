import Agent
import ArgumentParser
import Documents
import GarbageCollection
import ImageBackend
import OCI
import Store
import SystemPackage

/// `slipway gc`
struct GCCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Collect what nothing needs any more, as the agent does after every pass."
    )

    @Flag(help: "Only show what would be collected.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "Show why an image, layer or merged disk is kept, or that nothing keeps it.",
            valueName: "digest"
        )
    )
    var explain: String?

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let world = try await Session(options).openExisting()
        if let explain { return try await explainKeeping(of: explain, world) }
        let report = try await world.orchestrator.run(dryRun: dryRun)
        let items = dryRun ? report.candidates : report.collected.map(\.candidate)
        let bytes = dryRun ? report.candidates.reduce(0) { $0 + $1.bytes } : report.bytes
        if options.output == .json {
            return try StandardOutput.write(
                json: [
                    "schema": 1, "dryRun": .bool(dryRun), "items": .encoding(items),
                    "bytes": JSONValue(bytes),
                ])
        }
        if !items.isEmpty {
            var table = Table(.text("KIND"), .text("ID"), .number("SIZE"), .text("REASON"))
            for item in items { table.add(item.kind, item.id, ByteCount.rounded(item.bytes), item.reason) }
            StandardOutput.write("\(table.text)\n")
        }
        StandardOutput.write("\(ByteCount.rounded(bytes)) \(dryRun ? "would be freed" : "freed")\n")
    }

    private func explainKeeping(of query: String, _ world: World) async throws {
        let snapshot = try await world.store.collectionSnapshot()
        let roots = try await world.images.externalRoots.snapshot()
        let hex = query.hasPrefix("sha256:") ? String(query.dropFirst(7)) : query
        var chains: [Explanation] = []
        let image = try await world.images.inspect(query)
        for found in snapshot.images where found.digest == image?.digest {
            chains.append(Explanation(image: found, now: snapshot.now, ttl: world.settings.gc.unpinnedTTL))
        }
        if hex.utf8.count >= 12 {
            for blob in snapshot.blobs where blob.key.description.hasPrefix(hex) {
                chains.append(Explanation(blob: blob, configs: roots.configs(naming: blob.key)))
            }
            for merged in snapshot.merged where merged.id.hex.hasPrefix(hex) {
                chains.append(
                    Explanation(
                        merged: merged,
                        configs: roots.configs(namingMerged: merged.id),
                        now: snapshot.now,
                        ttl: world.settings.gc.unpinnedTTL
                    )
                )
            }
        }
        guard !chains.isEmpty else {
            throw Failure(.notFound, "there is no image, layer or merged disk '\(query)'")
        }
        if options.output == .json {
            return try StandardOutput.write(json: ["schema": 1, "found": .encoding(chains)])
        }
        for chain in chains {
            StandardOutput.write("\(chain.kind) \(chain.id)\n")
            for reason in chain.keptBy { StandardOutput.write("  kept by \(reason)\n") }
            if let verdict = chain.verdict { StandardOutput.write("  \(verdict)\n") }
        }
    }
}

/// Why a thing is kept.
private struct Explanation: Encodable {
    var kind: String
    var id: String
    var keptBy: [String]
    var verdict: String?

    init(image: CollectionSnapshot.Image, now: StoreTime, ttl: Duration) {
        kind = "image"
        id = image.digest.description
        keptBy = image.pins.map { "the pin of \($0)" } + image.boundVMs.map { "the VM \($0)" }
        guard keptBy.isEmpty, let since = image.unpinnedAt else { return }
        verdict = Self.verdict(left: since + ttl - now)
    }

    init(merged: CollectionSnapshot.Merged, configs: [FilePath], now: StoreTime, ttl: Duration) {
        kind = "merged"
        id = merged.id.hex
        keptBy = merged.vms.map { "the VM \($0)" } + configs.map { "the config \($0)" }
        if keptBy.isEmpty { verdict = Self.verdict(left: merged.usedAt + ttl - now) }
    }

    private static func verdict(left: Duration) -> String {
        left > .zero
            ? "nothing needs it; it is collected in \(DurationText.text(.seconds(left.components.seconds))), "
                + "or when space is short"
            : "nothing needs it; the next collection takes it"
    }

    init(blob: CollectionSnapshot.Blob, configs: [FilePath]) {
        kind = "layer"
        id = blob.key.description
        keptBy =
            blob.images.map { "the image \($0)" } + blob.vms.map { "the VM \($0)" }
            + blob.leases.map { "running work, \($0)" } + configs.map { "the config \($0)" }
        if keptBy.isEmpty { verdict = "nothing needs it" }
    }
}
