import Agent
import ArgumentParser
import Documents
import Snapshots
import Synchronization

/// `slipway snapshot`
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Look at layer stacks and writable disks as snapshots.",
        discussion: "KEY is the ChainID of a stack, as sha256:…, or a VM's name.",
        subcommands: [List.self, Mounts.self, Usage.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List snapshots, parents before children.",
            aliases: ["list"]
        )

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let snapshots = try await Session(options).openExisting().snapshots()
            if options.output == .json {
                return try StandardOutput.write(json: ["schema": 1, "snapshots": .encoding(snapshots)])
            }
            var table = Table(.text("KEY"), .text("KIND"), .text("PARENT"))
            for snapshot in snapshots {
                table.add(snapshot.key, snapshot.kind.rawValue, snapshot.parent ?? "")
            }
            StandardOutput.write(table.text)
        }
    }

    struct Mounts: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "mounts",
            abstract: "Show what a hypervisor attaches for a snapshot, bottom first."
        )

        @Argument var key: String
        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let mounts = try await Session(options).openExisting().snapshotter.mounts(key)
            if options.output == .json {
                return try StandardOutput.write(json: ["schema": 1, "mounts": .encoding(mounts)])
            }
            var table = Table(.text("TYPE"), .text("OPTIONS"), .text("SOURCE"))
            for mount in mounts { table.add(mount.type, mount.options.joined(separator: ","), mount.source) }
            StandardOutput.write(table.text)
        }
    }

    struct Usage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "usage",
            abstract: "Show what each snapshot takes on disk by itself."
        )

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            var rows: [(key: String, usage: SnapshotUsage)] = []
            for snapshot in try await world.snapshots() {
                do {
                    rows.append((snapshot.key, try await world.snapshotter.usage(snapshot.key)))
                } catch SnapshotError.notFound {
                    // Gone between the listing and the look.
                    continue
                }
            }
            if options.output == .json {
                let list = try rows.map { row in
                    try JSONValue.encoding(row.usage).merging(patch: ["key": .string(row.key)])
                }
                return StandardOutput.write(json: ["schema": 1, "snapshots": .array(list)])
            }
            var table = Table(.text("KEY"), .number("SIZE"), .number("FILES"))
            for row in rows { table.add(row.key, ByteCount.rounded(row.usage.bytes), "\(row.usage.inodes)") }
            StandardOutput.write(table.text)
        }
    }
}

extension World {
    fileprivate func snapshots() async throws -> [SnapshotInfo] {
        let found = Mutex<[SnapshotInfo]>([])
        try await snapshotter.walk { snapshot in found.withLock { $0.append(snapshot) } }
        return found.withLock { $0 }
    }
}
