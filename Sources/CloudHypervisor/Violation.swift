/// A place in a `VmConfig` that Cloud Hypervisor would refuse, ignore or fail on, and why.
public struct Violation: Hashable, Sendable, Error, CustomStringConvertible {
    /// The place, as `disks[3].serial`; empty for the config as a whole.
    public let path: String
    /// What is wrong and what to do.
    public let message: String

    /// Creates a violation.
    public init(path: String, message: String) {
        self.path = path
        self.message = message
    }

    /// `disks[3].serial: it has 21 bytes, …`.
    public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
