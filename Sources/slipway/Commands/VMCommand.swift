import Agent
import ArgumentParser
import Documents
import OCI
import Provisioning
import Snapshots
import Store
import SystemPackage

/// `slipway vm`
struct VMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm",
        abstract: "List and inspect VMs, render requests, reset, restore and remove.",
        subcommands: [List.self, Inspect.self, Render.self, Reset.self, Restore.self, Remove.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List VMs, the retired ones too.",
            aliases: ["list"]
        )

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            let statuses = try await world.vms().list()
            let retired = try await world.store.vms().filter { $0.retiredAt != nil }.sorted {
                $0.name < $1.name
            }
            if options.output == .json {
                let vms = statuses.map { $0.json.merging(patch: ["name": .string($0.name)]) }
                let names = retired.map { JSONValue.string($0.name) }
                return StandardOutput.write(json: [
                    "schema": 1, "vms": .array(vms), "retired": .array(names),
                ])
            }
            var table = Table(
                .text("NAME"),
                .text("PHASE"),
                .text("RUNNING"),
                .text("IMAGE"),
                .text("BOUND TO"),
                .text("MESSAGE")
            )
            for status in statuses {
                table.add(
                    status.name,
                    status.phase.rawValue,
                    status.running ? "yes" : "no",
                    status.image?.reference ?? "",
                    status.image?.bound?.short ?? "",
                    status.message
                )
            }
            for record in retired {
                table.add(record.name, "retired", "no", record.reference, record.image.short, "")
            }
            StandardOutput.write(table.text)
        }
    }

    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect",
            abstract: "Show how a VM stands and what it is bound to."
        )

        @Argument var name: String
        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            let status = try await world.vms().list().first { $0.name == name }
            let record = try await world.store.vms().first { $0.name == name }
            guard status != nil || record != nil else { throw Failure(.notFound, "there is no VM \(name)") }
            let folder = world.vms().settings.folder(of: name).path
            let config = folder.appending("config.json").string
            if options.output == .json {
                var value: JSONValue = status?.json ?? [:]
                value["name"] = .string(name)
                value["folder"] = .string(folder.string)
                value["config"] = .string(config)
                value["request"] = record.map { .string($0.request) }
                value["layers"] = record.map { .array($0.keys.map { .string($0.description) }) }
                return StandardOutput.write(json: value)
            }
            var facts = Facts()
            facts.add("Name", name)
            facts.add("Phase", status?.phase.rawValue ?? "")
            facts.add("Reason", status?.reason.rawValue ?? "")
            facts.add("Message", status?.message ?? "")
            for warning in status?.warnings ?? [] { facts.add("Warning", warning) }
            facts.add("Running", status?.running == true ? "yes" : "no")
            facts.add("Request", record?.request ?? "")
            facts.add("Image", record?.reference ?? status?.image?.reference ?? "")
            facts.add("Bound to", record?.image.description ?? "")
            facts.add("Layers", record.map { "\($0.keys.count)" } ?? "")
            facts.add("Attached as", status?.layers.map { "\($0.attachment): \($0.reason)" } ?? "")
            facts.add("Config", config)
            StandardOutput.write(facts.text)
        }
    }

    struct Render: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "render",
            abstract: "Print the config that a request file leads to, changing nothing."
        )

        @Argument(help: ArgumentHelp("The request.", valueName: "file"))
        var file: String

        @Flag(help: "Print where each part of it comes from, and how near it is to its limits, instead.")
        var explain = false

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            guard !explain else { return try await printExplanation(world) }
            let bytes = try await world.vms().render(options.absolute(file))
            StandardOutput.write(String(decoding: bytes, as: UTF8.self))
        }

        private func printExplanation(_ world: World) async throws {
            let facts = try await world.vms().explain(options.absolute(file))
            if options.output == .json {
                let value: JSONValue = ["schema": 1, "facts": try JSONValue.encoding(facts)]
                return StandardOutput.write(json: value)
            }
            var table = Table(.text("WHAT"), .text("IS"), .text("WHY"))
            for fact in facts { table.add(fact.subject, fact.value, fact.reason) }
            StandardOutput.write(table.text)
        }
    }

    struct Reset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reset",
            abstract: "Retire a VM's disks and start it anew on the image its request wants."
        )

        @Argument var name: String
        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            try report(try await world.vms().reset(name, now: try await world.store.tick()))
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "restore",
            abstract: "Bring the disks of a retired VM back."
        )

        @Argument var name: String
        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            try report(try await world.vms().restore(name, now: try await world.store.tick()))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Delete a retired VM, or one whose request is gone.",
            aliases: ["delete"]
        )

        @Argument var name: String
        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            try await world.vms().remove(name, now: try await world.store.tick())
        }
    }
}

/// Says how steps ended; what did not end as planned is a failure.
private func report(_ outcomes: [VMOutcome]) throws {
    for outcome in outcomes where outcome.result != .done {
        throw Failure(outcome.result == .superseded ? .busy : .failed, "\(outcome.name): \(outcome.message)")
    }
    for outcome in outcomes { StandardOutput.write("\(outcome.name): \(outcome.phase.rawValue)\n") }
}
