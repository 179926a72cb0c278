import Documents
import Host
import OCI
import Store
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("A VM")
struct LifeCycleTests {
    @Test("waits for its image and is rendered when that comes")
    func waits() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try host.request("web.yaml", "image: registry.example/web:1")
        try await host.pass(vms)
        let waiting = try #require(try host.status("web"))
        #expect(waiting.phase == .waiting)
        #expect(waiting.reason == .imageNotFound)
        #expect(waiting.message.contains("registry.example/web:1"))
        #expect(try host.config("web") == nil)

        let image = try await host.image("registry.example/web:1")
        let outcomes = try await host.pass(vms, at: 1)
        #expect(outcomes.map(\.action) == [.create])
        let ready = try #require(try host.status("web"))
        #expect(ready.phase == .ready)
        #expect(
            ready.image
                == .init(reference: "registry.example/web:1", wanted: image.digest, bound: image.digest)
        )
        #expect(
            ready.configDigest
                == Digest.sha256(of: try #require(try AtomicFile.read(host.path("web/config.json"))))
        )
        #expect(ready.requestDigest == .sha256(of: Array("image: registry.example/web:1".utf8)))
        #expect(try host.config("web")?["disks"]?.array?.count == 3)
        let binding = try #require(try await host.bindings()["web"])
        #expect(binding.image == image.digest)
        #expect(binding.keys == image.layers.map(\.key))
        try await check("e2fsck", ["-f", "-n", host.path("web/cow.raw").string])
        for name in ["web/config.json", "web/status.json", "web/cow.raw"] {
            #expect(try FileStatus.of(host.path(name))?.permissions == FilePermissions(rawValue: 0o640))
        }
    }

    @Test("is told what to write when its image is a short name that the store does not have")
    func shortName() async throws {
        let host = try TestHost()
        try host.request("web.yaml", "image: nginx:1.27")
        try await host.pass(host.vms())
        let message = try #require(try host.status("web")).message
        #expect(message.contains("docker.io/library/nginx:1.27"))
    }

    @Test("about which nothing changed is left alone: no step, no byte, no new question")
    func unchanged() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try host.request("other.yaml", "image: localhost/gone:latest")
        try host.request("bad.yaml", "image: localhost/web:latest\ncpus: 0")
        try await host.pass(vms)
        let calls = host.images.configCalls.load(ordering: .relaxed)
        let before = try ["web", "other", "bad"].map { try FileStatus.of(host.path("\($0)/status.json")) }
        let config = try FileStatus.of(host.path("web/config.json"))
        for second in 1...3 { #expect(try await host.pass(vms, at: Int64(second)).isEmpty) }
        #expect(host.images.configCalls.load(ordering: .relaxed) == calls)
        #expect(
            try ["web", "other", "bad"].map { try FileStatus.of(host.path("\($0)/status.json")) } == before
        )
        #expect(try FileStatus.of(host.path("web/config.json")) == config)
    }

    @Test("is looked at again by a new process, which writes nothing where nothing differs")
    func restart() async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest\nnets: [{}]")
        try await host.pass(host.vms())
        let before = try ["config.json", "status.json", "cow.raw"].map {
            try FileStatus.of(host.path("web/\($0)"))
        }
        let vms = host.vms()
        try await host.pass(vms, at: 1)
        #expect(
            try ["config.json", "status.json", "cow.raw"].map { try FileStatus.of(host.path("web/\($0)")) }
                == before
        )
        #expect(try await host.pass(vms, at: 2).isEmpty)
    }

    @Test("whose config was damaged or removed gets it back")
    func repaired() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        let config = try host.config("web")
        try AtomicFile.write(Array("{}".utf8), to: host.path("web/config.json"))
        try await host.pass(vms, at: 1)
        #expect(try host.config("web") == config)
        try Directory.unlink(host.path("web/config.json"))
        try await host.pass(vms, at: 2)
        #expect(try host.config("web") == config)
    }

    @Test("follows an edit of its request; a bad edit leaves the last good config in place")
    func edits() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        try host.request("web.yaml", "image: localhost/web:latest\ncpus: 2")
        try await host.pass(vms, at: 1)
        let good = try host.config("web")
        #expect(good?["cpus"]?["boot_vcpus"] == 2)

        try host.request("web.yaml", "image: localhost/web:latest\ncpus: 0")
        try await host.pass(vms, at: 2)
        let invalid = try #require(try host.status("web"))
        #expect(invalid.phase == .invalid)
        #expect(invalid.reason == .requestInvalid)
        #expect(invalid.message.contains("web.yaml:2:7"))
        #expect(invalid.configDigest != nil)
        #expect(try host.config("web") == good)

        try host.request("web.yaml", "image: localhost/web:latest\nkernel: { profile: nope }")
        try await host.pass(vms, at: 3)
        #expect(try host.status("web")?.reason == .bootProfileUnknown)
        #expect(try host.config("web") == good)
        #expect(try await host.pass(vms, at: 4).isEmpty)

        try host.request("web.yaml", "image: localhost/web:latest\ncpus: 3")
        try await host.pass(vms, at: 5)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 3)
    }

    @Test("that no config can be made for is not bound to anything")
    func notBound() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest", hasKernel: false)
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        #expect(try host.status("web")?.reason == .kernelNotFound)
        #expect(try host.status("web")?.phase == .waiting)
        #expect(try await host.bindings().isEmpty)
        #expect(try FileStatus.of(host.path("web/cow.raw")) == nil)
        let calls = host.images.configCalls.load(ordering: .relaxed)
        #expect(try await host.pass(vms, at: 1).isEmpty)
        #expect(host.images.configCalls.load(ordering: .relaxed) == calls)
    }

    @Test("whose disk the file system has no room for waits and comes up once there is")
    func noSpace() async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest\ndisk: { size: 64MiB }")
        let tight = host.vms(reserve: .max)
        let outcomes = try await host.pass(tight)
        #expect(outcomes.map(\.result) == [.failed])
        #expect(try host.status("web")?.reason == .noSpace)
        #expect(try host.status("web")?.phase == .waiting)
        #expect(try host.config("web") == nil)
        try await host.pass(host.vms(), at: 1)
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("belongs to the file it is bound by; another file that names it is told so")
    func nameTaken() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("b.yaml", "image: localhost/web:latest\nname: web\ncpus: 2")
        try await host.pass(vms)
        try host.request("a.yaml", "image: localhost/web:latest\nname: web\ncpus: 3")
        try await host.pass(vms, at: 1)
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 2)
        #expect(try host.status("web")?.phase == .ready)
        let problems = await vms.standing.problems
        #expect(problems.map(\.file) == ["a.yaml"])
        #expect(problems.map(\.reason) == [.nameTaken])
        #expect(problems.first?.message.contains("b.yaml") == true)

        try host.removeRequest("b.yaml")
        try await host.pass(vms, at: 2)
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 3)
        #expect(try await host.bindings()["web"]?.request == "a.yaml")
    }

    @Test("that two new files name goes to neither")
    func twoNew() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("a.yaml", "image: localhost/web:latest\nname: web")
        try host.request("b.yaml", "image: localhost/web:latest\nname: web")
        try await host.pass(vms)
        let status = try #require(try host.status("web"))
        #expect(status.phase == .invalid)
        #expect(status.reason == .nameTaken)
        #expect(status.message.contains("a.yaml, b.yaml"))
        #expect(try host.config("web") == nil)
        #expect(try await host.bindings().isEmpty)
        try host.removeRequest("a.yaml")
        try await host.pass(vms, at: 1)
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("whose file is renamed goes on under the new file")
    func renamedFile() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("a.yaml", "image: localhost/web:latest\nname: web")
        try await host.pass(vms)
        let disk = try FileStatus.of(host.path("web/cow.raw"))
        try Directory.rename(
            host.settings.requests.appending("a.yaml"),
            to: host.settings.requests.appending("b.yaml")
        )
        try await host.pass(vms, at: 1)
        #expect(try await host.bindings()["web"]?.request == "b.yaml")
        #expect(try FileStatus.of(host.path("web/cow.raw")) == disk)
        #expect(try await host.pass(vms, at: 2).isEmpty)
    }

    @Test("shows whether a hypervisor runs on its disk")
    func running() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        do {
            let hypervisor = try host.hypervisor(on: "web")
            try await host.pass(vms, at: 1)
            #expect(try host.status("web")?.running == true)
            try hypervisor.unlock()
        }
        try await host.pass(vms, at: 2)
        #expect(try host.status("web")?.running == false)
    }

    @Test(
        "whose request wants a larger disk gets it once no hypervisor runs on it; a smaller one is said to be kept"
    )
    func diskSize() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest\ndisk: { size: 32MiB }")
        try await host.pass(vms)
        let uuid = try await check("dumpe2fs", ["-h", host.path("web/cow.raw").string])
        do {
            let hypervisor = try host.hypervisor(on: "web")
            try host.request("web.yaml", "image: localhost/web:latest\ndisk: { size: 64MiB }\ncpus: 2")
            try await host.pass(vms, at: 1)
            #expect(try host.status("web")?.phase == .waiting)
            #expect(try host.status("web")?.reason == .diskGrows)
            #expect(try FileStatus.of(host.path("web/cow.raw"))?.size == 32 << 20)
            #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 2, "all else is followed")
            #expect(try await host.pass(vms, at: 2).isEmpty)
            try hypervisor.unlock()
        }
        try await host.pass(vms, at: 3)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try FileStatus.of(host.path("web/cow.raw"))?.size == 64 << 20)
        // What is on it is the guest's to enlarge: not a byte of the file system changed.
        #expect(try await check("dumpe2fs", ["-h", host.path("web/cow.raw").string]) == uuid)
        try host.request("web.yaml", "image: localhost/web:latest\ndisk: { size: 16MiB }\ncpus: 2")
        try await host.pass(vms, at: 4)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try host.status("web")?.message.contains("never shrunk") == true)
        #expect(try FileStatus.of(host.path("web/cow.raw"))?.size == 64 << 20)
        #expect(try await host.pass(vms, at: 5).isEmpty)
    }

    @Test("is never put on a disk that nobody knows the layers of")
    func unknownDisk() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        let disk = try host.folder.write("somebody's data", to: "vms/web/cow.raw")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .held)
        #expect(try host.status("web")?.reason == .diskUnbound)
        #expect(try host.config("web") == nil)
        #expect(try await host.bindings().isEmpty)
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 1)
        #expect(try host.status("web")?.reason == .diskUnbound)
        #expect(try await host.pass(vms, at: 2).isEmpty)
        #expect(try AtomicFile.read(disk) == Array("somebody's data".utf8))
    }

    @Test("is not what a file is about that names none: the file alone is reported")
    func fileProblem() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try host.request("My VM.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        #expect(await vms.standing.problems.map(\.file) == ["My VM.yaml"])
        #expect(try await vms.list().isEmpty)
    }
}
