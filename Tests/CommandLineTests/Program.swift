import Documents
import Host
import SystemPackage
import TestSupport

/// The built program and a root for it.
struct Program {
    let folder: TemporaryDirectory
    let root: FilePath
    let path: FilePath

    init(settings: String = "inbox: { settle: 300ms }\n") throws {
        folder = try TemporaryDirectory("cli")
        root = folder.appending("root")
        path = try builtProduct("slipway")
        for name in ["inbox", "requests"] { try Directory.create(root.appending(name)) }
        try folder.write(settings, to: "config.yaml")
    }

    var options: [String] { ["--config", folder.appending("config.yaml").string, "--root", root.string] }

    /// Runs a command to its end.
    func run(_ arguments: String..., environment: [String: String] = [:]) async throws -> CommandResult {
        try await TestSupport.run(path.string, arguments + options, environment: environment)
    }

    /// Runs a command with JSON output and reads that.
    func json(_ arguments: String...) async throws -> JSONValue {
        let result = try await TestSupport.run(path.string, arguments + options + ["-o", "json"])
        return try Document.parse(Array(result.output.utf8), file: "stdout", format: .json).jsonValue
    }

    /// A small layer with a kernel and initramfs.
    static var layer: [UInt8] {
        var tar = TarBuilder()
        tar.addDirectory("boot/")
        tar.addBootFiles(version: "6.1.0-9-amd64")
        tar.addFile("motd", "hello\n")
        return tar.finish()
    }

    /// Puts an image into the inbox.
    func drop(_ bytes: [UInt8] = Program.layer, as name: String = "web.tar") throws {
        let temporary = try folder.write(bytes, to: "dropping")
        try Directory.rename(temporary, to: root.appending("inbox").appending(name))
    }
}
