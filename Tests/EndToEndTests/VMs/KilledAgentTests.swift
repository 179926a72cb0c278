import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

/// kill -9 as it enters any file operation in the folder of VMs, and another agent after it.
@Suite("A VM whose agent is killed at any file operation", .serialized)
struct KilledAgentTests {
    /// What happens to a VM.
    enum Story: String, CaseIterable, CustomTestStringConvertible {
        case made, changed, retired, deleted, recreated

        var testDescription: String { "is \(rawValue)" }

        /// Whether the VM is there when it begins.
        var beginsWithVM: Bool { self != .made }
        var settings: String {
            switch self {
            case .made, .changed: ""
            case .retired: "vms: { removeGrace: 0s }\n"
            case .deleted: "vms: { removeGrace: 0s, onRemove: delete }\n"
            case .recreated: "vms: { onImageChange: recreate }\n"
            }
        }
    }

    private let request = """
        { "image": "localhost/web", "cpus": 2, "disk": { "size": "16MiB" }, "hostname": "web-1",
          "userData": "#cloud-config\\n",
          "dataDisks": [{ "name": "pg", "size": "16MiB", "mount": "/var/lib/pg" }] }
        """

    @Test("comes out whole, with nothing left beside it", arguments: Story.allCases)
    func killed(_ story: Story) async throws {
        let installation = try Installation(settings: "inbox: { settle: 0s }\n" + story.settings)
        try await importImage("web", "first", into: installation)
        if story.beginsWithVM {
            try installation.drop(Array(request.utf8), into: "requests/web.json")
            try expectSuccess(try await installation.slipway("agent", "--once"))
        }
        try await begin(story, installation)
        let kept = installation.folder.appending("kept")
        try await check("cp", ["-a", installation.root.string, kept.string])
        let killSwitch = try await KillSwitch(
            below: installation.root.appending("vms"),
            in: installation.folder
        )
        var number = 1
        while let operation = try await killSwitch.run(
            installation.program,
            ["agent", "--once"] + installation.options,
            killingAt: number
        ) {
            // What can be seen is whole, even before anyone clears up.
            _ = try installation.config(of: "web")
            let next = try await installation.slipway("agent", "--once")
            #expect(next.status == 0, "\(operation): \(next.errors)")
            try await expectOutcome(of: story, installation, operation)
            try Directory.removeTree(installation.root)
            try await check("cp", ["-a", kept.string, installation.root.string])
            number += 1
        }
        #expect(number > 5, "the library reached the agent")
        try await expectOutcome(of: story, installation, "nothing killed it")
    }

    private func importImage(_ name: String, _ content: String, into installation: Installation) async throws
    {
        var tar = TarBuilder()
        tar.addDirectory("etc")
        tar.addFile("etc/motd", content)
        tar.addBootFiles()
        let file = try installation.folder.write(tar.finish(), to: "layer.tar")
        try expectSuccess(try await installation.slipway("image", "import", name, file.string))
    }

    /// Changes the inputs, for the agent to follow.
    private func begin(_ story: Story, _ installation: Installation) async throws {
        switch story {
        case .made: try installation.drop(Array(request.utf8), into: "requests/web.json")
        case .changed:
            let changed = request.replacing("16MiB", with: "32MiB").replacing(
                "[{",
                with: "[{ \"name\": \"more\", \"size\": \"16MiB\" }, {"
            )
            try installation.drop(Array(changed.utf8), into: "requests/web.json")
        case .retired, .deleted: try Directory.unlink(installation.root.appending("requests/web.json"))
        case .recreated: try await importImage("web", "second", into: installation)
        }
    }

    private func expectOutcome(of story: Story, _ installation: Installation, _ operation: String)
        async throws
    {
        let files: Set = [
            ".instance-id", "cidata.iso", "config.json", "cow.raw", "data-pg.raw", "slipway.erofs",
            "status.json",
        ]
        let vms = installation.root.appending("vms")
        let here = Set(try await installation.files(below: "vms").filter { !$0.hasPrefix(".retired/") })
        let retired =
            try FileStatus.of(vms.appending(".retired")) == nil
            ? [] : try Directory.names(in: vms.appending(".retired")).map(\.string)
        var expected: Set<String> = [".identity", ".lock"]
        switch story {
        case .made, .recreated: expected.formUnion(files.map { "web/\($0)" })
        case .changed: expected.formUnion(files.union(["data-more.raw"]).map { "web/\($0)" })
        case .retired, .deleted: break
        }
        #expect(here == expected, "\(operation)")
        #expect(retired.count == ([.retired, .recreated].contains(story) ? 1 : 0), "\(operation)")
        for name in retired {
            let kept = try await installation.files(below: "vms/.retired/\(name)")
            #expect(Set(kept) == files, "\(operation)")
        }
        for disk in try await installation.files(below: "vms")
        where disk.hasSuffix(".raw") && !disk.contains("more") {
            let result = try await run("e2fsck", ["-f", "-n", vms.pushing(FilePath(disk)).string])
            #expect(result.status == 0, "\(operation): \(disk): \(result.output)")
        }
        if story == .changed {
            #expect(try FileStatus.of(vms.appending("web/cow.raw"))?.size == 32 << 20, "\(operation)")
        }
    }

    private func expectSuccess(_ result: CommandResult) throws {
        try #require(result.status == 0, "\(result.errors)")
    }
}
