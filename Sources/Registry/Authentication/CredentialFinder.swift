import Synchronization
import SystemPackage

/// Finds credentials for a repository at a host, and remembers for a while what a program said.
final class CredentialFinder: Sendable {
    private struct Known {
        var credentials: Credentials?
        var until: Int64
    }

    private let paths: [FilePath]
    private let helperFolders: [FilePath]
    private let helperTimeout: Duration
    private let now: @Sendable () -> Int64
    private let fromHelpers = Mutex<[String: Known]>([:])

    /// How long the answer of a program is used: its tokens live longer, and asking costs a process.
    private static let helperMemory: Int64 = 300 * 1_000_000_000

    init(
        paths: [FilePath],
        helperFolders: [FilePath],
        helperTimeout: Duration,
        now: @escaping @Sendable () -> Int64
    ) {
        self.paths = paths
        self.helperFolders = helperFolders
        self.helperTimeout = helperTimeout
        self.now = now
    }

    /// The credentials for a repository at the host of a URL: those of `registries.yaml`, else of the first file that
    /// has some.
    func credentials(
        for url: HTTPURL,
        repository: String,
        configured: HostSettings?
    ) async throws(RegistryError) -> Credentials? {
        if let credentials = configured?.credentials { return credentials }
        let hosts = RegistriesConfiguration.keys(of: url)
        for path in paths {
            guard let file = try CredentialFile(path) else { continue }
            switch file.answer(hosts: hosts, repository: repository) {
            case .credentials(let credentials): return credentials
            case .helper(let name):
                if let credentials = try await ask(name, Self.server(of: url)) { return credentials }
            case nil: continue
            }
        }
        return nil
    }

    /// Forgets what programs said of a host, after it refused it.
    func forget(_ url: HTTPURL) {
        let suffix = " \(Self.server(of: url))"
        fromHelpers.withLock { known in known = known.filter { !$0.key.hasSuffix(suffix) } }
    }

    private func ask(_ name: String, _ server: String) async throws(RegistryError) -> Credentials? {
        let key = "\(name) \(server)"
        let time = now()
        if let known = fromHelpers.withLock({ $0[key] }), known.until > time { return known.credentials }
        let helper = CredentialHelper(name: name, folders: helperFolders, timeout: helperTimeout)
        let credentials = try await helper.credentials(for: server)
        fromHelpers.withLock { $0[key] = Known(credentials: credentials, until: time + Self.helperMemory) }
        return credentials
    }

    /// What a host is called towards a program: Docker's registry has kept its first name.
    private static func server(of url: HTTPURL) -> String {
        url.host == "registry-1.docker.io" ? "https://index.docker.io/v1/" : url.authority
    }
}
