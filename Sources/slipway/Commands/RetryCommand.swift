import Agent
import ArgumentParser
import Ingest

/// `slipway retry`
struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Try items of the inbox again now, whatever became of them."
    )

    @Argument(help: ArgumentHelp("Items, as inbox/ITEM.", valueName: "item"))
    var items: [String]

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        for item in items where !item.hasPrefix("inbox/") {
            throw ValidationError("'\(item)' is not inbox/ITEM")
        }
    }

    func run() async throws {
        let world = try await Session(options).openExisting()
        var unknown: [String] = []
        for item in items {
            let name = String(item.dropFirst("inbox/".count))
            if try await !Inbox.retry(name, in: world.store) { unknown.append(item) }
        }
        try AgentLock.requestPass(world.settings.paths.agentLock)
        guard unknown.isEmpty else {
            throw Failure(.notFound, "nothing is remembered of \(unknown.joined(separator: ", "))")
        }
    }
}
