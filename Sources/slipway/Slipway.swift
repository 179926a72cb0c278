import ArgumentParser
import Glibc

/// The command line.
struct Slipway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slipway",
        abstract: "Keeps a Cloud Hypervisor host stocked with VM images.",
        discussion: """
            Drop tar files into the inbox, list references in the queue, put VM requests beside them; 'slipway agent' makes the host match. \
            Data goes to stdout, logs and progress to stderr.

            Exit codes: 0 done; 1 failed; 3 done in part or degraded; 4 not found; 64 usage; 75 busy, try again; \
            78 bad configuration.
            """,
        version: Version.text,
        subcommands: [
            AgentCommand.self, PlanCommand.self, StatusCommand.self, RetryCommand.self, ImageCommand.self,
            VMCommand.self, SnapshotCommand.self, GCCommand.self, StoreCommand.self, ConfigCommand.self,
            DoctorCommand.self, VersionCommand.self,
        ]
    )
}

@main
enum Main {
    static func main() async {
        do {
            var command = try Slipway.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let code as ExitCode {
            exit(code.rawValue)
        } catch {
            guard let failure = Failure(describing: error) else { Slipway.exit(withError: error) }
            StandardError.write("slipway: \(failure.message)\n")
            exit(failure.status.rawValue)
        }
    }
}
