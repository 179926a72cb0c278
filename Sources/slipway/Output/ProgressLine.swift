import Documents
import Glibc
import ImageBackend
import Synchronization

/// Shows the progress of an import or a pull on stderr: a line that redraws itself on a terminal, a line per phase elsewhere.
final class ProgressLine: Tracker {
    private struct State {
        var lastDrawn: ContinuousClock.Instant?
        var lastStep: String?
        var isDrawn = false
    }

    private let state = Mutex(State())
    private let isTerminal: Bool

    init(isTerminal: Bool = StandardError.isTerminal) { self.isTerminal = isTerminal }

    func report(_ event: ProgressEvent) {
        let step = Self.step(event)
        state.withLock { state in
            guard isTerminal else {
                if state.lastStep != step { StandardError.write("\(step)\n") }
                state.lastStep = step
                return
            }
            let now = ContinuousClock.now
            if event.phase == .done {
                if state.isDrawn { StandardError.write("\r\u{1B}[K") }
                state.isDrawn = false
            } else if state.lastStep != step || state.lastDrawn.map({ now - $0 > .milliseconds(100) }) ?? true
            {
                StandardError.write("\r\u{1B}[K\(step)\(Self.bar(event))")
                state.isDrawn = true
                state.lastDrawn = now
            }
            state.lastStep = step
        }
    }

    /// Takes the line off the terminal.
    func clear() {
        state.withLock { state in
            if state.isDrawn { StandardError.write("\r\u{1B}[K") }
            state.isDrawn = false
        }
    }

    private static func step(_ event: ProgressEvent) -> String {
        guard let layer = event.layer else { return event.phase.rawValue }
        return "\(event.phase.rawValue) \(layer + 1)" + (event.layers.map { "/\($0)" } ?? "")
    }

    private static func bar(_ event: ProgressEvent) -> String {
        guard let total = event.total, total > 0 else {
            return event.bytes > 0 ? "  \(ByteCount.rounded(event.bytes))" : ""
        }
        let fraction = min(1, Double(event.bytes) / Double(total))
        let filled = Int(fraction * 24)
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
        return
            "  \(bar) \(Int(fraction * 100)) %  \(ByteCount.rounded(event.bytes)) of \(ByteCount.rounded(total))"
    }
}
