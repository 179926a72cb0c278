import Agent
import ArgumentParser
import Host
import ImageBackend
import Logging
import Store
import SystemPackage

extension ImageCommand {
    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import",
            abstract: "Make an image of tar files and pin it by hand.",
            discussion: """
                Several files are one layer each, bottom first; a single one that is an archive of images is its \
                image under that name. Run by root, the files are opened before acting as the store's owner.
                """
        )

        @Argument(
            help: ArgumentHelp("The image's reference; a short name is one of localhost/.", valueName: "name")
        )
        var name: String

        @Argument(help: ArgumentHelp("The tar files, bottom layer first.", valueName: "tar"))
        var files: [String]

        @Option(
            help: ArgumentHelp(
                "Which image of an archive of several: a reference, tag or digest in it.",
                valueName: "ref"
            )
        )
        var select: String?

        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard !files.isEmpty else { throw ValidationError("at least one tar file is needed") }
        }

        func run() async throws {
            let session = try Session(options)
            let inputs = try files.map { path in
                ImportRequest.Input.open(try File.regular(options.absolute(path)))
            }
            let world = try await session.open()
            let progress = ProgressLine()
            defer { progress.clear() }
            let image = try await world.images.import(
                ImportRequest(name: name, inputs: inputs, select: select, source: .hand),
                tracker: progress
            )
            progress.clear()
            for warning in image.imported?.warnings ?? [] {
                session.logger.warning("\(warning)", metadata: ["ref": "\(name)"])
            }
            try AgentLock.requestPass(world.settings.paths.agentLock)
            if options.output == .json { return try StandardOutput.write(json: image) }
            StandardOutput.write("\(image.digest)\n")
        }
    }
}
