import Agent
import ArgumentParser
import Documents
import ImageBackend
import Logging
import OCI
import Store

extension ImageCommand {
    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pull",
            abstract: "Pull images from their registries and pin them by hand.",
            discussion: """
                References are read as Docker reads them. An image that is there and did not change costs one request. \
                The exit code is 3 if some could be pulled and some not.
                """
        )

        @Argument(help: ArgumentHelp("The images.", valueName: "ref"))
        var references: [String]

        @Option(
            help: ArgumentHelp("Pull for this platform instead of the host's.", valueName: "os/architecture")
        )
        var platform: PlatformArgument?

        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard !references.isEmpty else { throw ValidationError("at least one reference is needed") }
            for text in references {
                do { _ = try Reference(parsing: text) } catch { throw ValidationError("\(error)") }
            }
        }

        func run() async throws {
            let session = try Session(options)
            let world = try await session.open()
            var images: [Image] = []
            var failures: [Failure] = []
            for text in references {
                let reference = try Reference(parsing: text)
                let progress = ProgressLine()
                defer { progress.clear() }
                do throws(ImageError) {
                    let request = PullRequest(reference, platform: platform?.platform, source: .hand)
                    let image = try await world.images.pull(request, tracker: progress)
                    progress.clear()
                    for warning in image.pulled?.warnings ?? [] {
                        session.logger.warning("\(warning)", metadata: ["ref": "\(reference)"])
                    }
                    images.append(image)
                    if options.output == .table { StandardOutput.write("\(image.digest)\n") }
                } catch {
                    progress.clear()
                    guard let failure = Failure(describing: error) else { throw error }
                    failures.append(failure)
                }
            }
            try AgentLock.requestPass(world.settings.paths.agentLock)
            if options.output == .json {
                try StandardOutput.write(json: ["schema": 1, "images": .encoding(images)])
            }
            guard let last = failures.popLast() else { return }
            for failure in failures { StandardError.write("slipway: \(failure.message)\n") }
            throw Failure(images.isEmpty ? last.status : .partial, last.message)
        }
    }
}

/// `--platform`
struct PlatformArgument: ExpressibleByArgument, Sendable {
    let platform: Platform

    init?(argument: String) {
        guard let platform = Platform(argument), platform.os == "linux" else { return nil }
        self.platform = platform
    }
}
