import Host
import Testing

@testable import Store

@Suite("The store's clock")
struct StoreClockTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    @Test("a new store starts at nothing, whatever the machine's uptime")
    func start() async throws { #expect(try await fixture.store.tick() == StoreTime(nanoseconds: 0)) }

    @Test("boot time passed between ticks is added, also between two openers")
    func advances() async throws {
        let start = try await fixture.store.tick()
        fixture.machine.advance(.seconds(3))
        #expect(try await fixture.store.tick() - start == .seconds(3))
        fixture.machine.advance(.seconds(4))
        #expect(try await fixture.reopened().tick() - start == .seconds(7))
        #expect(try await fixture.store.tick() - start == .seconds(7))
    }

    @Test("a reading from before the last one neither takes time back nor counts it twice")
    func lateReading() async throws {
        let start = try await fixture.store.tick()
        let late = fixture.machine.now
        fixture.machine.advance(.seconds(10))
        let now = fixture.machine.now
        #expect(try await fixture.store.tick() - start == .seconds(10))
        fixture.machine.set(late)
        #expect(try await fixture.store.tick() - start == .seconds(10))
        fixture.machine.set(now)
        #expect(try await fixture.store.tick() - start == .seconds(10))
    }

    @Test("after a reboot the time since boot is added")
    func reboot() async throws {
        let start = try await fixture.store.tick()
        fixture.machine.set(BootClock(bootID: "boot-2", nanoseconds: 2_000_000_000))
        #expect(try await fixture.store.tick() - start == .seconds(2))
        fixture.machine.advance(.seconds(1))
        #expect(try await fixture.store.tick() - start == .seconds(3))
    }

    @Test("adding a while that is too long stops at the end of time")
    func saturates() {
        #expect(StoreTime(nanoseconds: .max - 1) + .seconds(1) == StoreTime(nanoseconds: .max))
        #expect(StoreTime(nanoseconds: 0) + .seconds(Int64.max) == StoreTime(nanoseconds: .max))
        #expect(StoreTime(nanoseconds: 0) + .seconds(Int64.min) == StoreTime(nanoseconds: .min))
        #expect(StoreTime(nanoseconds: .min) - StoreTime(nanoseconds: .max) < .zero)
    }
}
