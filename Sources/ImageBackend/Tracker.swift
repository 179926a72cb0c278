/// Hears of progress.
public protocol Tracker: Sendable {
    /// Called for every event, in order, from whatever thread does the work; must return quickly.
    func report(_ event: ProgressEvent)
}

/// A step of a pull, import or save.
public struct ProgressEvent: Sendable, Hashable {
    /// Where the work stands.
    public enum Phase: String, Sendable, Codable { case read, pull, layer, commit, save, done }

    /// Where the work stands.
    public var phase: Phase
    /// The layer's position, bottom is 0; nil where the event concerns the whole image.
    public var layer: Int?
    /// How many layers there are; nil while unknown.
    public var layers: Int?
    /// Bytes done, of the input.
    public var bytes: UInt64
    /// Bytes in all; nil while unknown.
    public var total: UInt64?

    /// Creates an event.
    public init(phase: Phase, layer: Int? = nil, layers: Int? = nil, bytes: UInt64 = 0, total: UInt64? = nil)
    {
        self.phase = phase
        self.layer = layer
        self.layers = layers
        self.bytes = bytes
        self.total = total
    }
}

/// Hears nothing.
public struct SilentTracker: Tracker {
    /// Creates one.
    public init() {}
    /// Does nothing.
    public func report(_ event: ProgressEvent) {}
}
