import ArgumentParser
import Documents

/// `slipway version`
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Show the version.")

    @OptionGroup var options: GlobalOptions

    func run() {
        if options.output == .json {
            StandardOutput.write(json: ["schema": 1, "version": .string(Version.text)])
        } else {
            StandardOutput.write("slipway \(Version.text)\n")
        }
    }
}
