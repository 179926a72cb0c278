import SystemPackage
import TestSupport

extension Machine {
    /// Imports an image, asks for a VM of it, and runs the agent until its config is there.
    ///
    /// - Parameters:
    ///   - members: further members of the request, with a comma in front.
    ///   - arguments: words for the kernel's command line.
    static func asked(
        for image: UmociImage,
        request members: String = "",
        arguments: String = ""
    ) async throws -> Machine {
        let installation = try Installation(settings: try await GenericInitramfs.shared().settings)
        let archive = try await image.archive()
        try expectSuccess(try await installation.slipway("image", "import", "app", archive.string))
        try await ask(installation, request: members, arguments: arguments)
        return try Machine("app", of: installation)
    }

    /// Asks for something else.
    func ask(request members: String, disk: String) async throws {
        try await Self.ask(installation, request: members, disk: disk)
    }

    private static func ask(
        _ installation: Installation,
        request members: String,
        disk: String = "64MiB",
        arguments: String = ""
    ) async throws {
        let request = """
            { "image": "localhost/app", "memory": "256MiB", "disk": { "size": "\(disk)" }\(members),
              "kernel": { "args": "quiet mitigations=off \(arguments)" } }
            """
        try installation.drop(Array(request.utf8), into: "requests/app.json")
        try expectSuccess(try await installation.slipway("agent", "--once"))
    }

    private static func expectSuccess(_ result: CommandResult) throws {
        guard result.status == 0 else {
            throw CommandFailure(description: "slipway ended with \(result.status): \(result.errors)")
        }
    }
}
