import Agent
import ArgumentParser
import Documents
import OCI
import Store

/// `slipway status`
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how inbox, queue and VMs stand.",
        discussion: """
            The exit code is 0 if everything asked about is done or ready, 3 if something is not, 4 if an item is \
            not known. With --wait, it waits for that, and gives up at once on what will not come right by itself.
            """
    )

    @Option(help: ArgumentHelp("Wait until all is done or ready, at most this long.", valueName: "seconds"))
    var wait: DurationArgument?

    @Argument(help: ArgumentHelp("Only these: vm/NAME, inbox/ITEM or queue/REF.", valueName: "item"))
    var items: [String] = []

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        for item in items where !["vm/", "inbox/", "queue/"].contains(where: item.hasPrefix) {
            throw ValidationError("'\(item)' is none of vm/NAME, inbox/ITEM and queue/REF")
        }
    }

    func run() async throws {
        let world = try await Session(options).openExisting()
        let deadline = ContinuousClock.now + (wait?.duration ?? .zero)
        var report = try await selected(world)
        while ContinuousClock.now < deadline, !isOver(report) {
            try await Task.sleep(for: min(.milliseconds(200), deadline - ContinuousClock.now))
            report = try await selected(world)
        }
        try show(report)
        let missing = missing(in: report)
        guard missing.isEmpty else {
            throw Failure(.notFound, "there is no \(missing.joined(separator: ", no "))")
        }
        guard report.isComplete else { throw ExitCode(ExitStatus.partial.rawValue) }
    }

    private func selected(_ world: World) async throws -> StatusReport {
        var report = try await world.status()
        if !items.isEmpty {
            let items = wanted
            report.items = report.items.filter { items.contains($0.name) }
            report.unpinned = []
            report.conflicts = []
        }
        return report
    }

    /// The items as reports name them.
    private var wanted: [String] {
        items.map { $0.hasPrefix("queue/") ? "queue/\(ItemName.reference($0))" : $0 }
    }

    private func missing(in report: StatusReport) -> [String] {
        let known = Set(report.items.map(\.name))
        return wanted.filter { !known.contains($0) }
    }

    private func isOver(_ report: StatusReport) -> Bool {
        if missing(in: report).isEmpty && report.isComplete { return true }
        return report.items.contains { $0.isStuck }
    }

    private static func lines(about inbox: StatusReport.Inbox) -> String {
        let items = CountText.text(inbox.items, "item")
        var text = "\(inbox.path): \(items), \(ByteCount.rounded(inbox.bytes))\n"
        if let pause = inbox.pause { text += "  \(pause)\n" }
        if let polling = inbox.polling { text += "  looked at every few seconds: \(polling)\n" }
        if inbox.lostEvents > 0 {
            let times = inbox.lostEvents == 1 ? "once" : "\(inbox.lostEvents) times"
            text += "  events were lost \(times); nothing else was\n"
        }
        return text
    }

    private static func state(of item: StatusReport.Item) -> String {
        if item.running == true { return "\(item.state), running" }
        guard item.state == "running", let done = item.bytesDone, let all = item.bytes, all > 0 else {
            return item.state
        }
        return "running, \(min(100, done * 100 / all)) %"
    }

    private func show(_ report: StatusReport) throws {
        if options.output == .json { return try StandardOutput.write(json: report) }
        StandardOutput.write("\(report.root): \(report.agentRuns ? "an agent runs" : "no agent runs")\n")
        if items.isEmpty { StandardOutput.write(Self.lines(about: report.inbox)) }
        if !report.items.isEmpty {
            var table = Table(.text("ITEM"), .text("STATE"), .text("REASON"), .text("MESSAGE"))
            for item in report.items {
                table.add(
                    item.name,
                    Self.state(of: item),
                    item.reason ?? "",
                    item.message ?? item.reference ?? ""
                )
            }
            StandardOutput.write("\n\(table.text)")
        }
        for image in report.unpinned {
            let left = DurationText.text(.seconds(image.secondsLeft))
            let name = image.references.first ?? image.image.description
            StandardOutput.write("\n\(name): nothing pins it; it may be collected in \(left)\n")
        }
        for conflict in report.conflicts {
            let others = conflict.sources.dropFirst().map(\.rawValue).joined(separator: ", ")
            StandardOutput.write(
                "\n\(conflict.reference): means what \(conflict.sources[0]) says, not \(others)\n"
            )
        }
    }
}
