import Documents
import Host
public import Logging
import Synchronization
public import SystemPackage

/// `registries.yaml` on disk, read anew when it changed. A bad edit leaves the last good content in force and is said
/// once; a file that is not there is no configuration.
public final class RegistriesFile: Sendable {
    private struct State {
        var identity: FileIdentity?
        var good: RegistriesConfiguration?
        var problem: String?
    }

    private let path: FilePath
    private let logger: Logger
    private let state = Mutex(State())

    /// A file that is looked at when it is needed.
    public init(_ path: FilePath, logger: Logger) {
        self.path = path
        self.logger = logger
    }

    /// What is in force.
    ///
    /// - Throws: ``RegistryError`` when the file is bad and never was good: without its mirrors and credentials
    ///   nothing is asked of anyone.
    public func current() throws(RegistryError) -> RegistriesConfiguration {
        do {
            guard let file = try SmallFile(path) else {
                state.withLock { $0 = State() }
                return RegistriesConfiguration()
            }
            let known = state.withLock { $0.identity == file.identity ? $0 : nil }
            if let known { return try Self.answer(known) }
            let bytes = try file.read()
            let configuration = try RegistriesConfiguration(yaml: bytes, file: path.string)
            state.withLock { $0 = State(identity: file.identity, good: configuration) }
            return configuration
        } catch let error as RegistryError {
            throw error
        } catch { return try refuse("\(error)") }
    }

    /// What is wrong with the file as it is now; nil when nothing is.
    public var problem: String? { state.withLock { $0.problem } }

    private func refuse(_ problem: String) throws(RegistryError) -> RegistriesConfiguration {
        let identity = (try? SmallFile(path))?.identity
        let (state, isNews) = state.withLock { state in
            let isNews = state.problem != problem
            state.identity = identity
            state.problem = problem
            return (state, isNews)
        }
        if isNews, state.good != nil {
            logger.error("\(problem); the registries as they were before stay in force")
        }
        return try Self.answer(state)
    }

    private static func answer(_ state: State) throws(RegistryError) -> RegistriesConfiguration {
        if let good = state.good { return good }
        throw RegistryError(.configuration, state.problem ?? "registries.yaml cannot be read")
    }
}
