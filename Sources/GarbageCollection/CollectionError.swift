/// What went wrong in one module.
public struct ModuleError: Error, Sendable, CustomStringConvertible {
    /// The module's name.
    public let module: String
    /// Its error.
    public let underlying: any Error

    /// The module and its error in words.
    public var description: String { "cannot collect \(module): \(underlying)" }
}

/// A collection in which modules failed to delete, while others went on.
public struct CollectionError: Error, Sendable, CustomStringConvertible {
    /// What the others did.
    public let report: Orchestrator.Report
    /// What failed, at least one.
    public let failures: [ModuleError]

    /// Every failure in words.
    public var description: String { failures.map(\.description).joined(separator: "; ") }
}
