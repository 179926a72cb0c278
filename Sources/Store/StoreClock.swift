import GRDB
import Host

/// The store's clock: boot-time clock added up in the index, transaction by transaction, by whichever process.
struct StoreClock: Sendable {
    /// Reads the machine's clock.
    let reading: @Sendable () throws -> BootClock

    /// Moves the clock on to now and returns its time. The machine's clock is read inside the transaction, so that
    /// readings of several processes arrive in order.
    func advance(_ db: Database) throws -> StoreTime {
        let machine = try reading()
        let (time, boot) = try now(db, machine)
        try db.execute(
            sql: "UPDATE clock SET boot_id = ?, boot_time = ?, store_time = ? WHERE id = 1",
            arguments: [boot.bootID, boot.nanoseconds, time.nanoseconds]
        )
        return time
    }

    /// The time now, without writing.
    func now(_ db: Database) throws -> StoreTime { try now(db, reading()).time }

    /// Within one boot the difference since the last reading counts; after a reboot the time since boot, which is
    /// certain to have passed; at the first reading of a store, nothing.
    private func now(_ db: Database, _ machine: BootClock) throws -> (time: StoreTime, boot: BootClock) {
        guard let row = try Row.fetchOne(db, sql: "SELECT boot_id, boot_time, store_time FROM clock") else {
            throw StoreError(
                .corruptIndex,
                "the index's table 'clock' is empty: run 'slipway store rebuild-index'"
            )
        }
        let last = try row.integer("boot_time")
        let passed: Int64 =
            switch try row.optionalText("boot_id") {
            case nil: 0
            case machine.bootID: max(0, machine.nanoseconds - last)
            default: max(0, machine.nanoseconds)
            }
        let isSameBoot = try row.optionalText("boot_id") == machine.bootID
        return (
            try row.time("store_time") + .nanoseconds(passed),
            // A reading older than the last must not make time pass twice.
            isSameBoot
                ? BootClock(bootID: machine.bootID, nanoseconds: max(last, machine.nanoseconds)) : machine
        )
    }
}

/// Tells whether the index may have changed; compared with an earlier one of the same process.
public struct StoreChanges: Hashable, Sendable {
    var own: UInt64 = 0
    var others: Int64 = 0
}

extension Store {
    /// Adds the boot-time clock's advance since the last call (of any process) and returns the store's time.
    public func tick() async throws -> StoreTime {
        let time = try await index.tick { [clock] db in try clock.advance(db) }
        await flushSidecars()
        return time
    }

    /// Another value after each change of the index but those of the clock and the notes of documents to rewrite: by this
    /// process at once, by others as of the last ``tick()``.
    public var changes: StoreChanges { index.version }
}

/// A number larger than any before it; orders claims and images.
func nextSequence(_ db: Database) throws -> Int64 {
    let next = try Int64.fetchOne(db, sql: "UPDATE clock SET sequence = sequence + 1 RETURNING sequence")
    guard let next else {
        throw StoreError(
            .corruptIndex,
            "the index's table 'clock' is empty: run 'slipway store rebuild-index'"
        )
    }
    return next
}
