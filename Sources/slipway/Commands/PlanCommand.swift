import Agent
import ArgumentParser
import Documents
import GarbageCollection
import Store

/// `slipway plan`
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show what the next pass would import, pull, render and delete."
    )

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let world = try await Session(options).openExisting()
        let now = try await world.store.tick()
        var steps: [PlannedStep] = []
        let parts: [any Part] = [
            InboxPart(world.inbox(onChange: {})), QueuePart(world.queue(onChange: {})), VMsPart(world.vms()),
        ]
        for part in parts {
            steps += try await part.preview(now: now)
        }
        let garbage = try await world.orchestrator.run(dryRun: true).candidates
        steps += garbage.map {
            PlannedStep(part: "gc", item: "\($0.kind)/\($0.id)", action: "collect", detail: $0.reason)
        }
        if options.output == .json {
            return try StandardOutput.write(json: ["schema": 1, "steps": .encoding(steps)])
        }
        guard !steps.isEmpty else { return StandardOutput.write("Nothing to do.\n") }
        var table = Table(.text("ACTION"), .text("ITEM"), .text("DETAIL"))
        for step in steps { table.add(step.action, step.item, step.detail) }
        StandardOutput.write(table.text)
    }
}
