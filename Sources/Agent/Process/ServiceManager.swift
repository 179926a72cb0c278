import CShims
import Glibc
public import Logging

/// Tells systemd how the agent fares: sd_notify(3) without libsystemd. Does nothing where no one listens.
public struct ServiceManager: Sendable {
    private let socket: String?
    /// How often the watchdog wants to hear of the process; nil without one (systemd.service(5), WatchdogSec).
    public let watchdogInterval: Duration?

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    public init(environment: [String: String]) {
        socket = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isForUs = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let limit = environment["WATCHDOG_USEC"].flatMap { Int64($0) }
        // Twice as often as the limit, as sd_watchdog_enabled(3) advises.
        watchdogInterval = isForUs ? limit.flatMap { $0 > 0 ? .microseconds(max(1, $0 / 2)) : nil } : nil
    }

    /// A state to report.
    public enum State: Sendable {
        case ready
        case stopping
        case watchdog
        /// A line that `systemctl status` shows.
        case status(String)
    }

    /// Reports states in one datagram. A service manager that does not hear is no reason to stop: the failure is
    /// logged and that is all.
    public func report(_ states: State..., logger: Logger) {
        guard let socket else { return }
        let lines = states.map { state in
            switch state {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            case .watchdog: "WATCHDOG=1"
            case .status(let text): "STATUS=\(text.replacing("\n", with: " "))"
            }
        }
        if shim_notify(socket, lines.joined(separator: "\n")) < 0 {
            logger.debug("cannot notify the service manager: \(String(cString: strerror(errno)))")
        }
    }
}
