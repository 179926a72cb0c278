import Host
import OCI
import Testing

@testable import Store

@Suite("VM bindings")
struct VMTests {
    let fixture: StoreFixture
    var store: Store { fixture.store }

    init() throws { fixture = try StoreFixture() }

    @Test("a binding comes back as it was set, with its layers in order")
    func binding() async throws {
        let image = try await fixture.image("i", ["b", "a", "b"])
        var vm = StoreFixture.vm("web-1", image)
        try await store.setVM(vm)
        #expect(try await store.vms() == [vm])
        vm.absentSince = StoreTime(nanoseconds: 5)
        try await store.setVM(vm)
        #expect(try await store.vms() == [vm])
        #expect(try await store.image(image.digest)?.boundVMs == ["web-1"])
    }

    @Test("of several bindings set at once, one that cannot be leaves all unset")
    func several() async throws {
        let image = try await fixture.image("i", ["a"])
        var bad = StoreFixture.vm("c", image)
        bad.keys.append(StoreFixture.key("b"))
        let good = [StoreFixture.vm("a", image), StoreFixture.vm("b", image)]
        let error = try await storeError { [bad] in try await store.setVMs(good + [bad]) }
        #expect(error?.code == .missingBlob)
        #expect(try await store.vms().isEmpty)
        try await store.setVMs(good)
        #expect(try await store.vms() == good)
    }

    @Test("a VM is not bound to an image or a layer that is not there")
    func missing() async throws {
        let unknown = StoreFixture.imageRecord("i", ["a"])
        let noImage = try await storeError { try await store.setVM(StoreFixture.vm("vm", unknown)) }
        #expect(noImage?.code == .notFound)
        let image = try await fixture.image("i", ["a"])
        var vm = StoreFixture.vm("vm", image)
        vm.keys.append(StoreFixture.key("b"))
        let noLayer = try await storeError { [vm] in try await store.setVM(vm) }
        #expect(noLayer?.code == .missingBlob)
        #expect(try await store.vms().isEmpty)
    }

    @Test("retiring renames the binding with its layers; a taken name or no such VM is an error")
    func rename() async throws {
        let image = try await fixture.image("i", ["a"])
        let vm = StoreFixture.vm("web", image)
        try await store.setVM(vm)
        try await store.setVM(StoreFixture.vm("other", image))
        var retired = vm
        retired.name = ".retired/web-20260101T000000Z"
        retired.retiredAt = StoreTime(nanoseconds: 3)
        try await store.renameVM("web", to: retired)
        #expect(try await store.vms().first == retired)
        let gone = try await storeError { try await store.renameVM("web", to: vm) }
        #expect(gone?.code == .notFound)
        let taken = try await storeError { try await store.renameVM("other", to: retired) }
        #expect(taken?.code == .inUse)
        #expect(try await store.vms().count == 2)
    }

    @Test("what is read again without a change is what was read; every change by anyone is seen")
    func generations() async throws {
        let image = try await fixture.image("i", ["a", "b"])
        let other = try fixture.reopened()
        var vm = StoreFixture.vm("web", image)
        #expect(try await store.vms().isEmpty)
        try await other.setVM(vm)
        #expect(try await store.vms() == [vm])
        vm.absentSince = StoreTime(nanoseconds: 1)
        try await other.setVM(vm)
        #expect(try await store.vms() == [vm])
        var retired = vm
        retired.name = ".retired/web-20260101T000000Z"
        try await other.renameVM("web", to: retired)
        #expect(try await store.vms() == [retired])
        try await other.removeVM(retired.name)
        #expect(try await store.vms().isEmpty)
    }

    @Test("what this process changed itself is known as a new process reads it")
    func ownChanges() async throws {
        let image = try await fixture.image("i", ["a", "b"])
        var all = ["m", "c", "x"].map { StoreFixture.vm($0, image) }
        #expect(try await store.vms().isEmpty)
        func expectSame(_ what: String) async throws {
            let known = try await store.vms()
            #expect(try await fixture.reopened().vms() == known, "\(what)")
            #expect(known.map(\.name) == all.map(\.name).sorted(), "\(what)")
        }
        try await store.setVMs(all)
        try await expectSame("set")
        all[0].requestDigest = .sha256(of: "edited".utf8)
        try await store.setVM(all[0])
        try await expectSame("edited")
        #expect(try await store.vms()[1] == all[0])
        all[1].name = ".retired/c-20260101T000000Z"
        try await store.renameVM("c", to: all[1])
        try await expectSame("renamed")
        try await store.removeVM("x")
        all.removeLast()
        try await expectSame("removed")
        try await fixture.reopened().removeVM("m")
        all.remove(at: 0)
        try await store.removeVM("not there")
        try await expectSame("changed by another in between")
    }

    @Test("are found by their names and by the file that they were made for")
    func byRequest() async throws {
        let image = try await fixture.image("i", ["a"])
        var web = StoreFixture.vm("web", image)
        web.request = "front.yaml"
        let others = ["a", "b"].map { StoreFixture.vm($0, image) }
        try await store.setVMs([web] + others)
        #expect(try await store.vms(named: ["a", "none"], orOf: "front.yaml") == [others[0], web])
        #expect(try await store.vms(named: ["web"], orOf: "none.yaml") == [web])
        #expect(try await store.vms(named: ["b"]) == [others[1]])
    }

    @Test("an edited request leaves the image's document as it is; any other change is written into it")
    func documents() async throws {
        let image = try await fixture.image("i", ["a"])
        var vm = StoreFixture.vm("web", image)
        try await store.setVM(vm)
        _ = try await store.tick()
        let path = fixture.layout.image(image.digest)
        let written = try FileStatus.of(path)
        vm.requestDigest = .sha256(of: "edited".utf8)
        try await store.setVM(vm)
        _ = try await store.tick()
        #expect(try FileStatus.of(path) == written)
        vm.absentSince = StoreTime(nanoseconds: 1)
        try await store.setVM(vm)
        _ = try await store.tick()
        #expect(try FileStatus.of(path) != written)
        let document = try JSON.decode(ImageDocument.self, from: try #require(try AtomicFile.read(path)))
        #expect(document.vms == [vm])
    }
}
