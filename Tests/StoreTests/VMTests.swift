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
}
