public import Documents
import Host
public import SystemPackage

/// Where a setting's value came from.
public enum SettingOrigin: Sendable, Hashable, CustomStringConvertible {
    case builtIn
    case file(FilePath, Mark)
    case environment(String)
    case flag(String)

    /// `default`, `/etc/slipway/config.yaml:3:9`, `SLIPWAY_ROOT` or `--root`.
    public var description: String {
        switch self {
        case .builtIn: "default"
        case .file(let path, let mark): "\(path):\(mark)"
        case .environment(let name): name
        case .flag(let name): name
        }
    }
}

/// Settings with where each came from.
public struct LoadedSettings: Sendable {
    /// The values.
    public var settings = Settings()
    /// The origin of every key that is not at its default.
    public var origins: [String: SettingOrigin] = [:]
    /// Files that were read, in order.
    public var files: [FilePath] = []
    /// What looks like a mistake and stops nothing.
    public var warnings: [String] = []

    /// One line of `config show`.
    public struct Entry: Sendable, Hashable {
        /// `inbox.settle`
        public var key: String
        /// The value as a config file would hold it.
        public var value: JSONValue
        /// Where it came from.
        public var origin: SettingOrigin
    }

    /// Every setting, in a fixed order.
    public var entries: [Entry] {
        Settings.keys.map { key in
            Entry(key: key.key, value: key.show(settings), origin: origins[key.key] ?? .builtIn)
        }
    }
}

/// Reads settings: flag over environment over `config.d/*.yaml` (later names win) over `config.yaml` over default.
public struct SettingsLoader: Sendable {
    /// The one file to read, which has to be there; nil for `/etc/slipway`.
    public var file: FilePath?
    /// The folder with `config.yaml` and `config.d/`, read when no file is named.
    public var folder: FilePath = "/etc/slipway"
    /// The environment.
    public var environment: [String: String]
    /// Flags by key, as `root`: the value and the flag's name.
    public var flags: [String: (value: String, flag: String)] = [:]

    /// A loader.
    public init(file: FilePath? = nil, environment: [String: String]) {
        self.file = file
        self.environment = environment
    }

    /// Reads everything; the first mistake is an error that says where it stands.
    public func load() throws(ConfigurationError) -> LoadedSettings {
        var loaded = LoadedSettings()
        do {
            for path in try files() {
                guard let bytes = try AtomicFile.read(path, limit: 1 << 20) else {
                    throw ConfigurationError("\(path): there is no such file")
                }
                let document = try Document.parse(bytes, file: path.string, format: .yaml)
                try loaded.apply(document, file: path)
                loaded.files.append(path)
            }
            try applyEnvironment(to: &loaded)
            for (key, (value, flag)) in flags {
                guard let setting = Settings.keys.first(where: { $0.key == key }) else { continue }
                let node = Node(.string(value), mark: Mark(line: 1, column: 1), path: "", file: flag)
                try setting.read(node, &loaded.settings)
                loaded.origins[key] = .flag(flag)
            }
            try loaded.settings.check(origins: loaded.origins)
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError("\(error)")
        }
        return loaded
    }

    private func files() throws(FileError) -> [FilePath] {
        if let file { return [file] }
        var files: [FilePath] = []
        let main = folder.appending("config.yaml")
        if try FileStatus.of(main) != nil { files.append(main) }
        let additions = folder.appending("config.d")
        if try FileStatus.of(additions) != nil {
            files += try Directory.names(in: additions).filter {
                $0.extension == "yaml" && !$0.string.hasPrefix(".")
            }.sorted { $0.string < $1.string }.map { additions.appending($0) }
        }
        return files
    }

    private func applyEnvironment(to loaded: inout LoadedSettings) throws(DocumentError) {
        var names: Set<String> = ["SLIPWAY_CONFIG"]
        for setting in Settings.keys {
            let name = setting.environmentVariable
            names.insert(name)
            guard let text = environment[name], !text.isEmpty else { continue }
            var node = try Document.parse(Array(text.utf8), file: name, format: .yaml)
            node.file = "environment variable \(name)"
            try setting.read(node, &loaded.settings)
            loaded.origins[setting.key] = .environment(name)
        }
        for name in environment.keys.sorted() where name.hasPrefix("SLIPWAY_") && !names.contains(name) {
            guard let nearest = Similarity.nearest(to: name, among: names.sorted()) else { continue }
            loaded.warnings.append(
                "the environment variable \(name) names no setting; did you mean \(nearest)?"
            )
        }
    }
}

extension LoadedSettings {
    /// Applies a document over what is there, key by key; lists and boot profiles are replaced as a whole.
    mutating func apply(_ document: Node, file: FilePath) throws(DocumentError) {
        if document.isNull { return }
        try apply(document, prefix: [], file: file)
    }

    private mutating func apply(_ node: Node, prefix: [String], file: FilePath) throws(DocumentError) {
        var reader = try node.object()
        var seen: Set<String> = []
        for setting in Settings.keys where setting.components.starts(with: prefix) {
            let name = setting.components[prefix.count]
            guard seen.insert(name).inserted, let value = reader.optional(name) else { continue }
            if setting.components.count == prefix.count + 1 {
                try setting.read(value, &settings)
                origins[setting.key] = .file(file, value.mark)
            } else {
                try apply(value, prefix: prefix + [name], file: file)
            }
        }
        try reader.finish()
    }
}

/// A configuration that cannot be used, in words that name file and place.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong and what would be right.
    public let description: String

    /// Creates an error.
    public init(_ description: String) { self.description = description }
}
