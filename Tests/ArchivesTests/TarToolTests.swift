import Archives
import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

/// Archives that real tools write, each held against libarchive's reading.
@Suite("Tar reader, archives by other tools")
struct TarToolTests {
    @Test(
        "GNU tar in every format, with sparse files and xattrs",
        arguments: [
            ["--format=v7"], ["--format=oldgnu", "--sparse"], ["--format=gnu"], ["--format=gnu", "--sparse"],
            ["--format=ustar"], ["--format=posix"], ["--format=posix", "--xattrs", "--xattrs-include=*"],
            ["--format=posix", "--sparse", "--sparse-version=0.0"],
            ["--format=posix", "--sparse", "--sparse-version=0.1"],
            ["--format=posix", "--sparse", "--sparse-version=1.0", "--xattrs"],
            ["--format=gnu", "--label=disk"],
        ]
    )
    func gnuTar(options: [String]) async throws {
        let folder = try await Tree.make(for: options[0])
        try await check(
            "tar",
            ["-C", "\(folder.path)/tree", "-cf", "\(folder.path)/out.tar"] + options + ["."]
        )
        try await compare(folder.appending("out.tar"), minimumEntries: 9)
    }

    @Test("GNU tar's incremental dumps")
    func dump() async throws {
        let folder = try await Tree.make(for: "--format=gnu")
        try await check(
            "tar",
            [
                "-C", "\(folder.path)/tree", "--incremental", "--format=gnu", "-cf", "\(folder.path)/out.tar",
                ".",
            ]
        )
        let bytes = try #require(try AtomicFile.read(folder.appending("out.tar")))
        let entries = try read(bytes).entries
        #expect(entries.filter { $0.kind == "directory" }.count >= 3)
        #expect(entries.contains { $0.path == Array("./file".utf8) && $0.content == Array("content\n".utf8) })
    }

    @Test("Python's tarfile in every format", arguments: ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"])
    func python(format: String) async throws {
        let folder = try await Tree.make(for: format == "USTAR_FORMAT" ? "--format=ustar" : "--format=posix")
        let script = """
            import sys, tarfile
            with tarfile.open(sys.argv[2], 'w', format=tarfile.\(format)) as tar: tar.add(sys.argv[1], arcname='root')
            """
        try await check("/usr/bin/python3", ["-c", script, "\(folder.path)/tree", "\(folder.path)/out.tar"])
        try await compare(folder.appending("out.tar"), minimumEntries: 9)
    }

    @Test(
        "libarchive's writers, as bsdtar uses them",
        arguments: ["pax", "paxr", "ustar", "gnutar", "v7tar"]
    )
    func libarchive(format: String) throws {
        let bytes = try writeWithLibarchive(format: format)
        let entries = try read(bytes).entries
        let theirs = try readWithLibarchive(bytes)
        #expect(entries.count >= 6 && entries.count == theirs.count)
        for (our, their) in zip(entries, theirs) { #expect(our == their) }
    }

    @Test("a Debian-like tree of the machine itself")
    func realTree() async throws {
        let folder = try TemporaryDirectory("archives")
        try await check(
            "tar",
            ["-C", "/", "-cf", "\(folder.path)/out.tar", "etc", "usr/share/doc/bash", "dev/null", "dev/zero"]
        )
        try await compare(folder.appending("out.tar"), minimumEntries: 200)
    }

    private func compare(_ path: FilePath, minimumEntries: Int) async throws {
        let bytes = try #require(try AtomicFile.read(path))
        let (ours, end) = try read(bytes)
        let theirs = try readWithLibarchive(bytes)
        #expect(ours.count >= minimumEntries)
        #expect(ours.count == theirs.count)
        for (our, their) in zip(ours, theirs) { #expect(our == their.withTimeOnTheLine) }
        #expect(end == .blocks)
    }
}

/// A folder `tree` with the difficult cases of real file systems.
enum Tree {
    /// With what the format can hold.
    static func make(for format: String) async throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory("archives")
        try folder.write("content\n", to: "tree/file")
        try folder.write(TarCorpus.noise(300_001), to: "tree/large")
        try folder.write("", to: "tree/empty")
        var script = """
            set -e; cd "$1/tree"
            mkdir -p sub/deeper; chmod 1777 sub; chmod 4755 file; chown 1000:1001 empty
            ln file hard; ln -s file soft
            truncate -s 3M sparse; printf data | dd of=sparse bs=1 seek=1000000 conv=notrunc status=none
            truncate -s 1M hole; touch -d '1990-01-02 03:04:05' soft -h
            """
        if format != "--format=v7" {
            script += """

                mkfifo pipe; mkdir sub/$(printf 'd%.0s' $(seq 90))
                : > sub/$(printf 'd%.0s' $(seq 90))/$(printf 'f%.0s' $(seq 60))
                """
        }
        if format != "--format=v7" && format != "--format=ustar" {
            script += """

                mknod char c 5 300; mknod block b 259 70000; chown 3000000000:70000 large
                : > $(printf 'n%.0s' $(seq 255)); ln -s $(printf 't%.0s' $(seq 1500)) longlink
                : > "$(printf 'line\\nbreak')"; : > "$(printf '\\377\\376')"
                touch -d '1950-01-02 03:04:05.123456789' file
                for i in $(seq 30); do printf "$i" | dd of=many bs=1 seek=$((i * 65536)) conv=notrunc status=none; done
                setfattr -n user.text -v value file; setfattr -n user.binary -v 0x000a3d00ff file
                setfattr -n trusted.x -v y sub; setfattr -n user.empty file
                """
        }
        try await check("sh", ["-c", script, "sh", "\(folder.path)"])
        return folder
    }
}
