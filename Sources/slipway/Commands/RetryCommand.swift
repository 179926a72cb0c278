import Agent
import ArgumentParser
import Ingest

/// `slipway retry`
struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Try items of the inbox and lines of the queue again now, whatever became of them."
    )

    @Argument(help: ArgumentHelp("Items, as inbox/ITEM or queue/REF.", valueName: "item"))
    var items: [String]

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        for item in items where !item.hasPrefix("inbox/") && !item.hasPrefix("queue/") {
            throw ValidationError("'\(item)' is neither inbox/ITEM nor queue/REF")
        }
    }

    func run() async throws {
        let world = try await Session(options).openExisting()
        var unknown: [String] = []
        for item in items {
            let isKnown =
                if item.hasPrefix("inbox/") {
                    try await Inbox.retry(String(item.dropFirst("inbox/".count)), in: world.store)
                } else {
                    try await Queue.retry(ItemName.reference(item), in: world.store)
                }
            if !isKnown { unknown.append(item) }
        }
        try AgentLock.requestPass(world.settings.paths.agentLock)
        guard unknown.isEmpty else {
            throw Failure(.notFound, "nothing is remembered of \(unknown.joined(separator: ", "))")
        }
    }
}
