import Documents
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("Saving images, and importing what comes through a pipe", .timeLimit(.minutes(2)))
struct SaveTests {
    /// A program whose store has an image `web`.
    private func prepared() async throws -> Program {
        let program = try Program()
        let tar = try program.folder.write(Program.layer, to: "layer.tar")
        let result = try await program.run("image", "import", "web", tar.string)
        #expect(result.status == 0, "\(result.errors)")
        return program
    }

    /// Runs a line of shell in which `slipway` is the program on its root.
    private func shell(_ line: String, _ program: Program) async throws -> CommandResult {
        let call = ([program.path.string] + ["\"$@\""]).joined(separator: " ")
        return try await TestSupport.run(
            "sh",
            [
                "-c",
                "slipway() { command=\"$*\"; set -- $command \(program.options.joined(separator: " ")); \(call); }; \(line)",
            ]
        )
    }

    @Test("a file appears when it is complete, and the output says what became of each layer")
    func file() async throws {
        let program = try await prepared()
        let target = program.folder.appending("web.oci.tar")
        let table = try await program.run("image", "save", "web", "--to", target.string)
        #expect(table.status == 0, "\(table.errors)")
        #expect(table.output.contains("localhost/web:latest") && table.output.contains("SAVED DIFFID"))
        let json = try await program.json("image", "save", "web", "--to", target.string)
        let image = json["images"]?.array?.first
        #expect(image?["references"]?.array?.first?.string == "localhost/web:latest")
        #expect(image?["layers"]?.array?.first?["savedDiffID"]?.string?.hasPrefix("sha256:") == true)
        let digest = try await check(
            "skopeo",
            ["inspect", "--format", "{{.Digest}}", "oci-archive:\(target)"]
        )
        #expect(digest == "\(image?["savedDigest"]?.string ?? "")\n")
        let missing = try await program.run("image", "save", "nothing", "--to", "\(target).2")
        #expect(missing.status == 4 && missing.errors.contains("'nothing'"))
        let left = try Directory.names(in: program.folder.path).map(\.string)
        #expect(left.filter { $0.contains("oci.tar") } == ["web.oci.tar"])
    }

    @Test("an archive goes from one host to the next through a pipe", arguments: ["", "--native"])
    func pipe(form: String) async throws {
        let program = try await prepared()
        let result = try await shell(
            "slipway image save web \(form) | slipway image import copy -",
            program
        )
        #expect(result.status == 0, "\(result.errors)")
        let image = try await program.json("image", "inspect", "copy")
        #expect("\(image["digest"]?.string ?? "")\n" == result.output)
        #expect(image["kernel"]?.string?.hasPrefix(program.root.string) == true)
        #expect(try Directory.names(in: program.root.appending("store/temp")).isEmpty)
    }

    @Test("standard input may be a plain tar, a redirected file, and one layer among others")
    func standardInput() async throws {
        let program = try await prepared()
        let tar = program.folder.appending("layer.tar")
        let piped = try await shell("gzip -c '\(tar)' | slipway image import piped -", program)
        #expect(piped.status == 0, "\(piped.errors)")
        let redirected = try await shell("slipway image import redirected - <'\(tar)'", program)
        #expect(redirected.status == 0, "\(redirected.errors)")
        let second = try await shell("cat '\(tar)' | slipway image import two '\(tar)' -", program)
        #expect(second.status == 0, "\(second.errors)")
        let image = try await program.json("image", "inspect", "two")
        #expect(image["layers"]?.array?.count == 2)
        let cut = try await shell("head -c 700 '\(tar)' | slipway image import cut -", program)
        #expect(cut.status == 1 && cut.errors.contains("standard input"), "\(cut.errors)")
    }

    @Test(
        "what an archive may hold is set by store.limits, and an error names the file, the place and the setting"
    )
    func limits() async throws {
        let program = try Program(
            settings: "store: { limits: { archiveMembers: 100, archiveImages: 1, archiveBytes: 1MiB } }\n"
        )
        let layer = try program.folder.write(Program.layer, to: "layer.tar")
        for name in ["a", "b"] {
            #expect(try await program.run("image", "import", name, layer.string).status == 0)
        }
        let archive = program.folder.appending("two.oci.tar")
        #expect(try await program.run("image", "save", "a", "b", "--to", archive.string).status == 0)
        let images = try await program.run("image", "import", "c", archive.string, "--select", "a")
        #expect(images.status == 1)
        #expect(
            images.errors.contains(
                "\(archive): 'index.json' lists 2 images; 1 are allowed (store.limits.archiveImages)"
            ),
            "\(images.errors)"
        )
        var crowd = TarBuilder()
        crowd.addFile("oci-layout", "{}")
        for number in 0..<200 { crowd.addFile("blobs/sha256/\(number)", "") }
        let members = try program.folder.write(crowd.finish(), to: "crowd.tar")
        let crowded = try await program.run("image", "import", "c", members.string)
        #expect(crowded.status == 1)
        #expect(
            crowded.errors.contains("\(members): entry 'blobs/sha256/99' (header at byte")
                && crowded.errors.contains("(store.limits.archiveMembers)"),
            "\(crowded.errors)"
        )
        crowd = TarBuilder()
        crowd.addFile("oci-layout", "{}")
        crowd.add("blobs/sha256/zeros", content: [UInt8](repeating: 0, count: 3 << 20))
        try program.folder.write(crowd.finish(), to: "zeros.tar")
        let zeros = program.folder.appending("zeros.tar")
        let bomb = try await shell("gzip -c '\(zeros)' | slipway image import c -", program)
        #expect(bomb.status == 1)
        #expect(
            bomb.errors.contains("standard input: gzip stream at byte")
                && bomb.errors.contains("(store.limits.archiveBytes)"),
            "\(bomb.errors)"
        )
        let wrong = try Program(settings: "store:\n  limits: { archiveMembers: 5 }\n")
        let checked = try await wrong.run("config", "check")
        #expect(
            checked.status == 78 && checked.errors.contains("config.yaml:2:29")
                && checked.errors.contains("archiveMembers"),
            "\(checked.errors)"
        )
    }

    @Test("what is written into is not replaced: a FIFO, and standard output by its name")
    func notReplaced() async throws {
        let program = try await prepared()
        let fifo = program.folder.appending("fifo")
        try await check("mkfifo", [fifo.string])
        let result = try await shell(
            "cat '\(fifo)' | sha256sum & slipway image save web --to '\(fifo)' >/dev/null; wait; "
                + "slipway image save web --to /dev/stdout | sha256sum; slipway image save web | sha256sum",
            program
        )
        #expect(result.status == 0, "\(result.errors)")
        #expect(Set(result.output.split(separator: "\n")).count == 1, "\(result.output)")
        #expect(result.output.split(separator: "\n").count == 3)
        #expect(try FileStatus.of(fifo)?.kind == .fifo)
        #expect(try FileStatus.of("/dev/stdout")?.kind == .symbolicLink)
    }

    @Test(
        "root's file goes where only root may write, whoever owns the store, and leaves nothing there when it fails"
    )
    func ownership() async throws {
        let program = try await prepared()
        try await check("chown", ["-R", "12345:12345", program.root.string])
        // The owner has to reach its own root.
        try await check("chmod", ["755", program.folder.path.string])
        let place = program.folder.appending("private")
        try Directory.create(place, permissions: FilePermissions(rawValue: 0o700))
        let saved = try await program.run("image", "save", "web", "--to", "\(place)/web.tar")
        #expect(saved.status == 0, "\(saved.errors)")
        let failed = try await program.run("image", "save", "nothing", "--to", "\(place)/nothing.tar")
        #expect(failed.status == 4)
        #expect(try Directory.names(in: place).map(\.string) == ["web.tar"])
        let owners = try await check("find", [program.root.appending("store").string, "-printf", "%U\\n"])
        #expect(Set(owners.split(separator: "\n")) == ["12345"])
    }

    @Test("a blob has nothing to compress, and standard input can be read once")
    func usage() async throws {
        let program = try Program()
        for arguments in [
            ["image", "save"], ["image", "save", "a", "--native", "--compression", "gzip"],
            ["image", "save", "a", "--compression", "xz"], ["image", "import", "a", "-", "-"],
        ] {
            let result = try await TestSupport.run(program.path.string, arguments + program.options)
            #expect(result.status == 64, "\(arguments)")
        }
    }
}
