/// Asks an agent for passes. Any number of calls before a pass starts make one.
public struct Trigger: Sendable {
    let requests: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    /// A trigger that nobody has pulled.
    public init() { (requests, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    /// Asks for a pass.
    public func callAsFunction() { continuation.yield() }

    /// Asks the agent to end after the pass that runs.
    public func finish() { continuation.finish() }
}
