/// Decides when a file that others write may be read.
///
/// - A file that an event called finished (renamed into place, or closed by its writer), that nobody has open for
///   writing and that has not changed since, is settled after a short while.
/// - A file that somebody has open for writing is not settled.
/// - Any other file is settled once its identity has stood still for longer: no event came, or the file system
///   cannot tell of writers.
///
/// Any change starts over. Times are nanoseconds on a monotonic clock (``MonotonicTime``).
public struct SettleTracker: Sendable {
    /// Whether a file may be read.
    public enum Verdict: Sendable, Equatable {
        /// It may.
        case settled
        /// Not before this time, and only if nothing changes until then.
        case wait(until: Int64)
    }

    private struct Entry {
        /// The identity last seen; nil until the file is seen for the first time after an event.
        var identity: FileIdentity?
        /// Since when the file has stood still.
        var since: Int64
        /// When an event called it finished.
        var finished: Int64?
    }

    private let settle: Int64
    private let quick: Int64
    private var entries: [String: Entry] = [:]

    /// Creates a tracker without files.
    ///
    /// - Parameters:
    ///   - settle: how long a file must stand still of which nothing is known but its identity.
    ///   - quick: how long a file must stand still that was finished by an event.
    public init(settle: Duration, quick: Duration = .milliseconds(300)) {
        self.settle = settle.wholeNanoseconds
        self.quick = min(quick.wholeNanoseconds, self.settle)
    }

    /// An event said that the file was renamed into place or closed by its writer.
    public mutating func noteFinished(_ name: String, now: Int64) {
        // What was seen before the event does not count: the writer may have changed the file up to its close.
        entries[name] = Entry(identity: nil, since: now, finished: now)
    }

    /// An event said that the file was renamed into place: it is whole already, and waits only for writers to go.
    public mutating func noteComplete(_ name: String, now: Int64) {
        entries[name] = Entry(identity: nil, since: now, finished: now - quick)
    }

    /// An event said that the file changed, or came into being in a way that says nothing about its being complete.
    public mutating func noteChanged(_ name: String, now: Int64) {
        entries[name] = Entry(identity: nil, since: now, finished: nil)
    }

    /// Takes in what the file looks like now, and judges.
    public mutating func observe(
        _ name: String,
        identity: FileIdentity,
        writers: File.Writers,
        now: Int64
    ) -> Verdict {
        var entry = entries[name] ?? Entry(identity: identity, since: now, finished: nil)
        if let known = entry.identity, known != identity {
            entry = Entry(identity: identity, since: now, finished: nil)
        }
        entry.identity = identity
        defer { entries[name] = entry }

        if writers == .some {
            // The kernel reports the close of a file just before it forgets the writer, so a writer seen right
            // after the event may be that one. It costs another short wait, not the event.
            entry.since = now
            guard entry.finished != nil else { return .wait(until: now.advancedSaturating(settle)) }
            entry.finished = now
            return .wait(until: now.advancedSaturating(quick))
        }
        let due =
            if writers == .none, let finished = entry.finished {
                finished.advancedSaturating(quick)
            } else {
                entry.since.advancedSaturating(settle)
            }
        return now >= due ? .settled : .wait(until: due)
    }

    /// The tracker as it knows one file alone.
    public func part(_ name: String) -> SettleTracker {
        var part = self
        part.entries = [:]
        part.entries[name] = entries[name]
        return part
    }

    /// Forgets every file but these.
    public mutating func retain(only names: Set<String>) {
        entries = entries.filter { names.contains($0.key) }
    }

    /// Forgets one file: seen again, it starts over.
    public mutating func forget(_ name: String) { entries[name] = nil }
}

extension Int64 {
    /// The sum, or the end of time.
    fileprivate func advancedSaturating(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension Duration {
    /// Nanoseconds, at least 0, at most what fits.
    fileprivate var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? 0 : .max }
        return max(0, product.advancedSaturating(attoseconds / 1_000_000_000))
    }
}
