import Host
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("The requests folder")
struct RequestsFolderTests {
    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("requests") }

    func requests(settle: Duration = .zero, allowsWorldWritable: Bool = false) -> RequestsFolder {
        RequestsFolder(folder.path, settle: settle, allowsWorldWritable: allowsWorldWritable)
    }

    @Test("holds files that end in .json, .yaml and .yml; what editors leave beside them is no request")
    func names() throws {
        for name in [
            "a.json", "b.yaml", "c.yml", "d.txt", ".e.yaml", "f.yaml~", "#g.yaml#", ".#h.yaml", ".i.yaml.swp",
            "4913",
            "j.json.tmp", ".json",
        ] { try folder.write(#"{"image": "a"}"#, to: name) }
        var requests = requests()
        #expect(try requests.look(now: 0).files.map(\.name) == ["a.json", "b.yaml", "c.yml"])
    }

    @Test("holds strict JSON where the name says so")
    func formats() throws {
        try folder.write("{image: a}", to: "loose.json")
        try folder.write("{image: a}", to: "loose.yaml")
        var requests = requests()
        let files = try requests.look(now: 0).files
        #expect(files[0].request == nil)
        #expect(files[1].request?.image == "a")
    }

    @Test("takes no link, no device and nothing above 1 MiB, and says which file it is")
    func notAFile() async throws {
        try folder.write("image: a\n", to: "elsewhere.txt")
        try await check("ln", ["-s", "elsewhere.txt", folder.appending("link.yaml").string])
        try await check("mkfifo", [folder.appending("fifo.yaml").string])
        try Directory.create(folder.appending("folder.yaml"))
        try folder.write(Array(repeating: UInt8(ascii: "#"), count: 1 << 20), to: "fits.yaml")
        try folder.write(Array(repeating: UInt8(ascii: "#"), count: (1 << 20) + 1), to: "big.yaml")
        var requests = requests()
        var files = try requests.look(now: 0).files
        // A child that another test is starting may hold a file that was just written for a moment.
        for second: Int64 in 1...200 where files.contains(where: { $0.content == .settling }) {
            try await Task.sleep(for: .milliseconds(20))
            files = try requests.look(now: second * 3_000_000_000).files
        }
        #expect(files.count == 5)
        for file in files {
            guard case .problem(let problem) = file.content else {
                Issue.record("\(file.name) was taken")
                continue
            }
            #expect(problem.reason == (file.name == "fits.yaml" ? .requestInvalid : .requestUnreadable))
            #expect(problem.message.contains(file.name))
        }
    }

    @Test("is read again only where a file changed")
    func remembers() throws {
        try folder.write("image: a\n", to: "a.yaml")
        var requests = requests()
        let first = try requests.look(now: 0).files
        #expect(try requests.look(now: 1).files == first)
        try AtomicFile.write(Array("image: b\n".utf8), to: folder.appending("a.yaml"))
        let second = try requests.look(now: 2).files
        #expect(second[0].request?.image == "b")
        #expect(second[0].digest != first[0].digest)
    }

    @Test("lets a file settle, and meanwhile what was read before holds")
    func settles() throws {
        try folder.write("image: a\n", to: "a.yaml")
        var requests = requests(settle: .seconds(2))
        let first = try requests.look(now: 0)
        #expect(first.files[0].content == .settling)
        #expect(first.settlesAt == 2_000_000_000)
        #expect(try requests.look(now: 2_000_000_000).files[0].request?.image == "a")
        try AtomicFile.write(Array("image: b\n".utf8), to: folder.appending("a.yaml"))
        let edited = try requests.look(now: 3_000_000_000)
        #expect(edited.files[0].request?.image == "a")
        #expect(edited.settlesAt == 5_000_000_000)
        #expect(try requests.look(now: 5_000_000_000).files[0].request?.image == "b")
    }

    @Test("takes a file sooner that an event called finished, but not while somebody has it open for writing")
    func finished() throws {
        try folder.write("image: a\n", to: "a.yaml")
        var requests = requests(settle: .seconds(2))
        requests.noteFinished("a.yaml", now: 0)
        let writer = try File(folder.appending("a.yaml"), .writeOnly)
        #expect(try requests.look(now: 1_000_000_000).files[0].content == .settling)
        withExtendedLifetime(writer) {}
    }

    @Test("takes a finished file after 300 ms")
    func quick() throws {
        try folder.write("image: a\n", to: "a.yaml")
        var requests = requests(settle: .seconds(2))
        requests.noteFinished("a.yaml", now: 0)
        #expect(try requests.look(now: 100_000_000).settlesAt == 300_000_000)
        #expect(try requests.look(now: 300_000_000).files[0].request?.image == "a")
    }

    @Test("that is gone, no folder, or everyone's to write tells nothing and says so")
    func unavailable() async throws {
        var missing = RequestsFolder(folder.appending("nowhere"), settle: .zero, allowsWorldWritable: false)
        #expect(throws: RequestsFolder.Unavailable.self) { try missing.look(now: 0) }
        var file = RequestsFolder(try folder.write("", to: "file"), settle: .zero, allowsWorldWritable: false)
        #expect(throws: RequestsFolder.Unavailable.self) { try file.look(now: 0) }
        try await check("chmod", ["0777", folder.path.string])
        var open = requests()
        let refused = try #require(throws: RequestsFolder.Unavailable.self) { try open.look(now: 0) }
        #expect(refused.message.contains("chmod o-w"))
        var allowed = requests(allowsWorldWritable: true)
        #expect(try allowed.look(now: 0).files.isEmpty)
    }
}
