import Agent
import ArgumentParser
import Documents
import Host
import ImageBackend
import OCI
import Provisioning
import Store

/// `slipway image`
struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Pull, import, save, list, inspect, look into, pin and delete images.",
        discussion: "REF is a reference, a short name, a digest, or 12 or more hex digits of one.",
        subcommands: [
            Pull.self, Import.self, Save.self, List.self, Inspect.self, Files.self, Cat.self, Remove.self,
            Pin.self,
            Unpin.self,
        ]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List images.",
            aliases: ["list"]
        )

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let images = try await Session(options).openExisting().images.list()
            if options.output == .json {
                return try StandardOutput.write(json: ["schema": 1, "images": .encoding(images)])
            }
            var table = Table(
                .text("REFERENCE"),
                .text("DIGEST"),
                .text("PLATFORM"),
                .number("LAYERS"),
                .number("SIZE"),
                .text("PINNED BY"),
                .number("VMS")
            )
            for image in images {
                table.add(
                    image.references.joined(separator: ", "),
                    image.digest.short,
                    image.platform,
                    "\(image.layers.count)",
                    ByteCount.rounded(image.size),
                    image.pins.map(\.rawValue).joined(separator: ", "),
                    "\(image.boundVMs.count)"
                )
            }
            StandardOutput.write(table.text)
        }
    }

    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect",
            abstract: "Show an image: layers, paths, kernel, who needs it."
        )

        @Argument(help: ArgumentHelp("The image.", valueName: "ref"))
        var reference: String

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            let image = try await world.image(reference)
            let findings = try await world.bootFindings(image)
            if options.output == .json {
                let boot: JSONValue = ["boot": try .encoding(findings)]
                return StandardOutput.write(json: try JSONValue.encoding(image).merging(patch: boot))
            }
            var facts = Facts()
            facts.add("References", image.references.joined(separator: ", "))
            facts.add("Digest", image.digest.description)
            facts.add("Config", image.configDigest.description)
            facts.add("Platform", image.platform)
            facts.add("Size", ByteCount.rounded(image.size))
            facts.add("Created", image.created ?? "")
            facts.add("Kernel", image.kernel ?? "")
            facts.add("Initramfs", image.initrd ?? "")
            for finding in findings { facts.add("Boot \(finding.severity.rawValue)", finding.message) }
            facts.add("Pinned by", image.pins.map(\.rawValue).joined(separator: ", "))
            facts.add("VMs", image.boundVMs.joined(separator: ", "))
            var table = Table(.number("LAYER"), .text("DIFFID"), .number("SIZE"), .text("PATH"))
            for (index, layer) in image.layers.enumerated() {
                table.add("\(index)", layer.diffID.short, ByteCount.rounded(layer.bytes), layer.path)
            }
            StandardOutput.write("\(facts.text)\n\(table.text)")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Delete images that no input and no VM needs.",
            aliases: ["delete"]
        )

        @Argument(help: ArgumentHelp("The images.", valueName: "ref"))
        var references: [String]

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            // All or none: what is wanted is told before anything is deleted.
            for reference in references {
                let image = try await world.image(reference)
                let inputs = image.pins.filter { $0 != .hand }
                guard inputs.isEmpty else {
                    throw Failure(
                        "\(reference) is still wanted by \(inputs.map(\.rawValue).joined(separator: ", ")): "
                            + "take it out there first"
                    )
                }
            }
            let deleted = try await world.images.delete(references)
            try AgentLock.requestPass(world.settings.paths.agentLock)
            if options.output == .json {
                return try StandardOutput.write(json: ["schema": 1, "deleted": .encoding(deleted)])
            }
            for reference in deleted { StandardOutput.write("\(reference)\n") }
        }
    }

    struct Pin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pin",
            abstract: "Keep images although no input wants them."
        )

        @Argument(help: ArgumentHelp("The images.", valueName: "ref"))
        var references: [String]

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            for reference in references {
                try await world.store.pin(try await world.image(reference).digest, by: .hand)
            }
        }
    }

    struct Unpin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "unpin",
            abstract: "Take pins made by hand away; inputs keep theirs."
        )

        @Argument(help: ArgumentHelp("The images.", valueName: "ref"))
        var references: [String]

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            for reference in references {
                try await world.store.unpin(try await world.image(reference).digest, by: .hand)
            }
        }
    }
}

extension World {
    /// What keeps VMs of an image from booting with its own kernel, or else with the default profile's.
    fileprivate func bootFindings(_ image: Image) async throws -> [BootFinding] {
        let selection = VMImage.Selection.query(image.digest.description)
        let profile = vms().settings.bootProfiles["default"].map {
            BootConfig(kernelPath: $0.kernel, initrdPath: $0.initramfs)
        }
        guard let vm = try await images.config([VMImage(name: "of the image", selection: selection)]).first,
            let boot = vm.boot ?? profile
        else { return [] }
        return try await images.bootFindings(vm, boot: boot)
    }

    /// The image that a query names, or the failure that there is none.
    func image(_ query: String) async throws -> Image {
        if let image = try await images.inspect(query) { return image }
        throw Failure(.notFound, "there is no image '\(query)'")
    }
}
