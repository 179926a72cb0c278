import Agent
import ArgumentParser
import Host
import ImageBackend

extension ImageCommand {
    /// `slipway image files`
    struct Files: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "files",
            abstract: "List the files of an image as a guest sees them, or those of one layer.",
            discussion: """
                The blobs are read; nothing is mounted. PATH is / by default, and symbolic links on its way stay \
                inside the image. Each line has mode, links, owner, group, size or device, time and path, as ls -l does; \
                bytes of a name that could mislead a terminal are escaped.
                """
        )

        @Argument(help: ArgumentHelp("The image.", valueName: "ref"))
        var reference: String

        @Argument(help: ArgumentHelp("A folder or file in it.", valueName: "path"))
        var path = "/"

        @Flag(name: .shortAndLong, help: "Go into folders.")
        var recursive = false

        @OptionGroup var layer: LayerOption
        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            let files = try await world.images.files(of: reference, layer: layer.layer)
            let (path, recursive, isJSON) = (Array(path.utf8), recursive, options.output == .json)
            try await onThread(named: "list-files") { cancellation in
                var listing = FileListing(isJSON: isJSON)
                try files.list(path, recursively: recursive) { item in
                    try cancellation.check()
                    listing.add(item)
                }
                listing.finish()
            }
        }
    }

    /// `slipway image cat`
    struct Cat: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cat",
            abstract: "Print a file of an image to stdout, byte for byte.",
            discussion:
                "The blobs are read; nothing is mounted. Symbolic links are followed inside the image."
        )

        @Argument(help: ArgumentHelp("The image.", valueName: "ref"))
        var reference: String

        @Argument(help: ArgumentHelp("The file.", valueName: "path"))
        var path: String

        @OptionGroup var layer: LayerOption
        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            let files = try await world.images.files(of: reference, layer: layer.layer)
            let path = Array(path.utf8)
            try await onThread(named: "print-file") { cancellation in
                try files.read(path) { bytes in
                    try cancellation.check()
                    StandardOutput.write(bytes)
                }
            }
        }
    }

    /// `--layer`
    struct LayerOption: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Look into one layer as it is, whiteouts included: its position, 0 is the bottom, or its digest.",
                valueName: "layer"
            )
        )
        var layer: String?
    }
}
