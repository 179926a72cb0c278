import Agent
import ArgumentParser
import Glibc
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
                image under that name. - is standard input, read once and never kept as it is, whether it holds an image or \
                a layer. Run by root, the files are opened before acting as the store's owner.
                """
        )

        @Argument(
            help: ArgumentHelp("The image's reference; a short name is one of localhost/.", valueName: "name")
        )
        var name: String

        @Argument(
            help: ArgumentHelp("The tar files, bottom layer first; - is standard input.", valueName: "tar")
        )
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
            guard files.filter({ $0 == "-" }).count <= 1 else {
                throw ValidationError("standard input can be read once only")
            }
        }

        func run() async throws {
            let session = try Session(options)
            let inputs = try files.map { path -> ImportRequest.Input in
                guard path == "-" else { return .open(try File.regular(options.absolute(path))) }
                let input = Self.standardInput
                return try input.isRegularFromItsStart ? .open(input) : .pipe(input)
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

        private static var standardInput: File {
            File(owning: FileDescriptor(rawValue: dup(STDIN_FILENO)), path: "standard input")
        }
    }
}

extension File {
    /// Whether it can be read as if it had been opened by its name.
    fileprivate var isRegularFromItsStart: Bool {
        get throws {
            guard try status().kind == .regular else { return false }
            return lseek(descriptor.rawValue, 0, SEEK_CUR) == 0
        }
    }
}
