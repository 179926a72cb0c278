import Agent
import Host
import Logging
import Store

/// What most commands begin with: settings, a logger, the owner's identity and the world.
struct Session {
    let options: GlobalOptions
    let loaded: LoadedSettings
    let logger: Logger

    /// Reads the settings. Their warnings are for `config check` and the agent; other commands do not repeat them.
    init(_ options: GlobalOptions, logLevel: LogLevel = .warning) throws {
        self.options = options
        loaded = try options.load()
        logger = options.startLogging(defaultLevel: logLevel)
    }

    var settings: Settings { loaded.settings }

    /// Opens the world as the store's owner, creating what is missing.
    func open() async throws -> World {
        try Ownership.assume(of: settings.paths.store.root, root: settings.root)
        return try await World.open(settings, logger: logger)
    }

    /// Opens the world as the store's owner. A root without a store is an error: a command that looks makes none.
    func openExisting() async throws -> World {
        try Ownership.assume(of: settings.paths.store.root, root: settings.root)
        guard let world = try await World.openExisting(settings, logger: logger) else {
            throw Failure(
                .notFound,
                "there is no store below \(settings.root): start the agent, or name another --root"
            )
        }
        return world
    }
}
