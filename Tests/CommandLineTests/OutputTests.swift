import Documents
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("What commands print", .timeLimit(.minutes(2)))
struct OutputTests {
    @Test("a plan changes nothing: it says the same twice, and no file of the root differs")
    func planIsPure() async throws {
        let program = try Program()
        #expect(try await program.run("agent", "--once").status == 0)
        try program.drop()
        try program.folder.write("{\"image\": \"localhost/web\"}", to: "root/requests/a.json")
        func files() async throws -> String {
            try await check(
                "find",
                [
                    program.root.string, "-type", "f", "-not", "-path", "*/store/index*", "-printf",
                    "%P %s %T@\n",
                ]
            )
        }
        let before = try await files()
        let first = try await program.json("plan")
        let items = first["steps"]?.array?.compactMap { $0["item"]?.string }
        #expect(items == ["inbox/web.tar", "vm/a"] || items == ["inbox/web.tar"])
        #expect(try await program.json("plan")["steps"]?.array?.count == items?.count)
        #expect(try await files() == before)
    }

    @Test("an import by hand prints the digest, pins, and can be unpinned and deleted")
    func importByHand() async throws {
        let program = try Program()
        let tar = try program.folder.write(Program.layer, to: "layer.tar")
        let result = try await program.run("image", "import", "hand", tar.string)
        #expect(result.status == 0, "\(result.errors)")
        let digest = String(result.output.dropLast())
        #expect(digest.hasPrefix("sha256:"))
        let image = try await program.json("image", "inspect", "hand")
        #expect(image["digest"]?.string == digest)
        #expect(image["pins"]?.array == ["hand"])
        #expect(image["layers"]?.array?.count == 1)
        #expect(try await program.run("image", "unpin", digest).status == 0)
        #expect(try await program.json("image", "inspect", "hand")["pins"]?.array == [])
        #expect(try await program.run("image", "rm", String(digest.dropFirst(7).prefix(12))).status == 0)
        #expect(try await program.run("image", "inspect", "hand").status == 4)
    }

    @Test("what keeps an image from booting is shown with it, before anyone asks for a VM")
    func inspectBoot() async throws {
        let program = try Program()
        var tar = TarBuilder()
        tar.addFile("boot/vmlinuz", "no kernel")
        tar.addFile("boot/initrd.img", "no initramfs")
        let file = try program.folder.write(tar.finish(), to: "layer.tar")
        #expect(try await program.run("image", "import", "odd", file.string).status == 0)
        let findings = try #require(try await program.json("image", "inspect", "odd")["boot"]?.array)
        #expect(
            findings.compactMap { $0["code"]?.string } == ["kernelFormat", "initramfsFormat", "initMissing"]
        )
        #expect(findings.compactMap { $0["severity"]?.string } == ["error", "error", "warning"])
        let text = try await program.run("image", "inspect", "odd")
        #expect(text.output.contains("Boot error:"), "\(text.output)")
        let sound = try program.folder.write(Program.layer, to: "sound.tar")
        #expect(try await program.run("image", "import", "sound", sound.string).status == 0)
        #expect(try await program.json("image", "inspect", "sound")["boot"]?.array?.count == 1)
    }

    @Test("logs are JSON lines with the fields of the convention; stdout stays empty")
    func jsonLogs() async throws {
        let program = try Program()
        try program.drop()
        let result = try await program.run("agent", "--once", "--log-format", "json")
        #expect(result.output.isEmpty)
        let lines = result.errors.split(separator: "\n")
        #expect(!lines.isEmpty)
        for line in lines {
            let value = try Document.parse(Array(line.utf8), file: "stderr", format: .json).jsonValue
            for field in ["ts", "level", "msg", "component"] {
                #expect(value[field]?.string != nil, "\(line)")
            }
        }
    }

    @Test("under journald every line begins with its priority")
    func journal() async throws {
        let program = try Program()
        try program.drop([1, 2, 3], as: "bad.tar")
        let result = try await program.run("agent", "--once", environment: ["JOURNAL_STREAM": "8:1"])
        #expect(result.status == 3)
        let lines = result.errors.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("<3>inbox: ") })
        #expect(lines.allSatisfy { $0.wholeMatch(of: /<[2-7]>\S.*/) != nil })
    }

    @Test("config show names every value's origin")
    func configShow() async throws {
        let program = try Program()
        let settings = try await program.json("config", "show")["settings"]?.array ?? []
        func origin(_ key: String) -> String? {
            settings.first { $0["key"]?.string == key }?["origin"]?.string
        }
        #expect(origin("root") == "--root")
        #expect(origin("inbox.settle") == "\(program.folder.appending("config.yaml")):1:18")
        #expect(origin("jobs.downloads") == "default")
    }

    @Test("status tells a reference that two sources claim, and an image that nothing pins")
    func statusTells() async throws {
        let program = try Program()
        try program.drop()
        #expect(try await program.run("agent", "--once").status == 0)
        var tar = TarBuilder()
        tar.addFile("other", "x")
        try program.folder.write(tar.finish(), to: "other.tar")
        #expect(
            try await program.run("image", "import", "web", program.folder.appending("other.tar").string)
                .status == 0
        )
        let report = try await program.json("status")
        #expect(report["conflicts"]?[0]?["reference"] == "localhost/web:latest")
        #expect(report["conflicts"]?[0]?["sources"]?.array?.contains("inbox/web.tar") == true)
        try Directory.unlink(program.root.appending("inbox").appending("web.tar"))
        #expect(try await program.run("agent", "--once").status == 0)
        #expect(try await program.json("status")["unpinned"]?.array?.count == 1)
    }

    @Test(
        "a store is verified by digest, as images, and by fsck.erofs; a damaged blob is named, and 3 the exit code"
    )
    func verify() async throws {
        // The fsck.erofs of Debian 12 knows nothing newer.
        let program = try Program(settings: "store: { guestKernel: \"5.15\" }\n")
        let tar = try program.folder.write(Program.layer, to: "layer.tar")
        #expect(try await program.run("image", "import", "web", tar.string).status == 0)
        let sound = try await program.run("store", "verify", "--deep", "--fsck")
        #expect(
            sound.status == 0 && sound.output == "Every blob and merged disk is as it was written.\n",
            "\(sound.errors)"
        )
        let layers = try await program.json("image", "inspect", "web")["layers"]
        let path = FilePath(try #require(layers?[0]?["path"]?.string))
        let file = try File(path, .readWrite)
        try [UInt8(1)].withUnsafeBytes { try file.writeAll($0, at: 2000) }
        let damaged = try await program.run("store", "verify", "--deep")
        #expect(damaged.status == 3 && damaged.output.contains("digest"))
    }

    @Test("config check says which program of erofs-utils is missing or too old")
    func checksErofsUtils() async throws {
        let program = try Program(settings: "store: { check: fsck, guestKernel: \"5.15\" }\n")
        let fsck = try program.folder.write("#!/bin/sh\necho fsck.erofs 1.4\n", to: "programs/fsck.erofs")
        try File(fsck, .readOnly).setPermissions(FilePermissions(rawValue: 0o755))
        let path = "\(fsck.removingLastComponent()):/usr/bin:/bin"
        let result = try await program.run("config", "check", environment: ["PATH": path])
        #expect(result.status == 0)
        #expect(result.errors.hasPrefix("warning: store.check: \(fsck) is version 1.4"), "\(result.errors)")
        #expect(try await program.run("config", "check").errors == "")
    }

    @Test("the files of an image are listed as ls -l does, hostile names escaped, and printed byte for byte")
    func files() async throws {
        let program = try Program()
        var tar = TarBuilder()
        tar.addDirectory("bin/", mode: 0o1777)
        tar.addFile("bin/tool", "\u{1B}[31mred", mode: 0o4755)
        tar.addFile("evil\u{1B}[2J\nname\\\u{202E}", "")
        tar.addSymbolicLink("link", to: "bin/\u{7}tool")
        tar.add("null", type: "3", mode: 0o666, device: (1, 3))
        let layer = try program.folder.write(tar.finish(), to: "layer.tar")
        #expect(try await program.run("image", "import", "web", layer.string).status == 0)
        let listing = try await program.run("image", "files", "web", "-r")
        let lines = [
            "drwxrwxrwt   2     0     0 2023-11-14T22:13:20Z /bin",
            "-rwsr-xr-x   1     0     0          8 2023-11-14T22:13:20Z /bin/tool",
            #"-rw-r--r--   1     0     0          0 2023-11-14T22:13:20Z /evil\x1b[2J\nname\\\u{202e}"#,
            #"lrwxrwxrwx   1     0     0          9 2023-11-14T22:13:20Z /link -> bin/\x07tool"#,
            "crw-rw-rw-   1     0     0        1,3 2023-11-14T22:13:20Z /null",
        ]
        let printed = listing.output.split(separator: "\n").map(String.init)
        #expect(printed.count == 5)
        for (line, expected) in zip(printed.dropFirst(), lines.dropFirst()) { #expect(line == expected) }
        #expect(printed.first?.hasPrefix("drwxrwxrwt   2") == true)
        let document = try await program.json("image", "files", "web", "/bin")
        #expect(document["files"]?.array?.count == 1 && document["schema"] == 1)
        #expect(document["files"]?[0]?["path"] == "/bin/tool" && document["files"]?[0]?["mode"] == "4755")
        #expect(try await program.run("image", "cat", "web", "/bin/tool").output == "\u{1B}[31mred")
        let missing = try await program.run("image", "cat", "web", "/none")
        #expect(missing.status == 4 && missing.errors == "slipway: '/none' is not in the image\n")
        #expect(try await program.run("image", "files", "web", "--layer", "7").status == 4)
        #expect(try await program.run("image", "cat", "web", "/bin").status == 1)
    }
}
