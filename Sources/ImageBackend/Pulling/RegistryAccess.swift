import Logging
import Registry
import Synchronization

/// The registry client, made when it is first needed: most commands never ask a registry.
final class RegistryAccess: Sendable {
    private let configuration: ClientConfiguration
    private let logger: Logger
    private let made = Mutex<RegistryClient?>(nil)

    init(_ configuration: ClientConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// The client.
    ///
    /// - Throws: ``ImageError`` when it cannot be made.
    func client() throws(ImageError) -> RegistryClient {
        let outcome = made.withLock { made in
            Result { () throws(RegistryError) in
                if let client = made { return client }
                let client = try RegistryClient(configuration, logger: logger)
                made = client
                return client
            }
        }
        do { return try outcome.get() } catch { throw ImageError(error) }
    }
}
