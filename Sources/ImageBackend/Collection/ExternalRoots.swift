import Documents
public import GarbageCollection
import Glibc
import Host
public import OCI
public import Store
public import SystemPackage

/// What configs by other hands name of a store: those layers, boot files and merged disks stay, whatever the index says.
///
/// Every file `*.json` in the folders and below is read, symbolic links followed; any string in it that is an absolute
/// path into the store is a root. One that cannot be read or parsed stops the collection.
public struct ExternalRoots: Module {
    /// The module's name, under which others find its snapshot.
    public static let name = "external roots"

    /// Which configs name what.
    public struct Snapshot: Sendable {
        /// By path below the store: of a blob, a merged disk, a layer's folder of boot files.
        fileprivate var configs: [FilePath: [FilePath]] = [:]
        fileprivate var layout = StoreLayout(root: "/")

        /// Nothing is named.
        public static let none = Snapshot()

        /// Configs that name a layer's blob, or a boot file of the layer.
        public func configs(naming key: LayerKey) -> [FilePath] {
            guard !configs.isEmpty else { return [] }
            return configs[layout.blob(key), default: []] + configs[layout.bootDirectory(key), default: []]
        }

        /// Configs that name a merged disk.
        public func configs(namingMerged id: Digest) -> [FilePath] {
            configs.isEmpty ? [] : configs[layout.mergedDisk(id), default: []]
        }
    }

    /// Folders within folders that are entered.
    private static let depthLimit = 32
    /// Bytes of a config.
    private static let sizeLimit = 16 << 20

    private let folders: [FilePath]
    private let layout: StoreLayout

    /// Roots in some folders for one store.
    public init(folders: [FilePath], store layout: StoreLayout) {
        self.folders = folders
        self.layout = layout
    }

    /// `external roots`
    public var name: String { Self.name }

    /// Reads every config.
    ///
    /// - Throws: ``Unreadable``.
    public func snapshot() async throws -> Snapshot {
        guard !folders.isEmpty else { return .none }
        return try await onThread(named: "external-roots") { cancellation in
            var look = Look(layout)
            for folder in folders {
                try look.enter(folder, cancellation: cancellation)
            }
            return look.snapshot
        }
    }

    /// Nothing: roots are not ours to delete.
    public func resolve(_ snapshot: Snapshot, others: Snapshots) -> [Candidate] { [] }

    /// Nothing.
    public func collect(_ candidates: [Candidate]) -> [Collected] { [] }

    /// A folder or config of ``folders`` that cannot be read.
    public struct Unreadable: Error, CustomStringConvertible {
        /// What cannot be read.
        public let path: FilePath
        /// Why.
        public let reason: String

        /// In words.
        public var description: String {
            "\(reason); nothing is collected until \(path) can be read, or its folder is taken out of gc.externalRoots"
        }
    }

    /// One walk over the folders.
    private struct Look {
        var snapshot: Snapshot
        private let layout: StoreLayout
        private let resolvedRoot: FilePath
        /// Folders that were entered, without symbolic links: each is entered once.
        private var visited: Set<FilePath> = []

        init(_ layout: StoreLayout) {
            self.layout = layout
            snapshot = Snapshot(layout: layout)
            resolvedRoot = layout.root.resolvingSymbolicLinks()
        }

        mutating func enter(_ folder: FilePath, depth: Int = 0, cancellation: Cancellation) throws {
            try cancellation.check()
            let folder = folder.resolvingSymbolicLinks()
            guard visited.insert(folder).inserted else { return }
            guard depth <= ExternalRoots.depthLimit else {
                throw Unreadable(
                    path: folder,
                    reason: "\(folder) lies more than \(ExternalRoots.depthLimit) folders deep"
                )
            }
            do {
                for name in try Directory.names(in: folder).sorted(by: { $0.string < $1.string }) {
                    let path = folder.appending(name).resolvingSymbolicLinks()
                    // Gone meanwhile, or a link to nothing: it names nothing.
                    guard let status = try FileStatus.of(path) else { continue }
                    if status.kind == .directory {
                        try enter(path, depth: depth + 1, cancellation: cancellation)
                    } else if status.kind == .regular, name.extension == "json" {
                        try read(path)
                    }
                }
            } catch let error as FileError { throw Unreadable(path: folder, reason: error.description) }
        }

        private mutating func read(_ config: FilePath) throws {
            guard let bytes = try AtomicFile.read(config, limit: ExternalRoots.sizeLimit) else { return }
            do {
                note(
                    try Document.parse(bytes, file: config.string, format: .json).jsonValue,
                    in: config
                )
            } catch { throw Unreadable(path: config, reason: error.description) }
        }

        private mutating func note(_ value: JSONValue, in config: FilePath) {
            switch value {
            case .string(let text) where text.hasPrefix("/"): note(FilePath(text), in: config)
            case .array(let elements): for element in elements { note(element, in: config) }
            case .object(let members): for member in members.values { note(member, in: config) }
            default: break
            }
        }

        private mutating func note(_ path: FilePath, in config: FilePath) {
            for root in [layout.root, resolvedRoot] {
                for var named in [path.lexicallyNormalized(), path.resolvingSymbolicLinks()]
                where named.removePrefix(root) {
                    let place = key(layout.root.pushing(named))
                    if snapshot.configs[place]?.contains(config) != true {
                        snapshot.configs[place, default: []].append(config)
                    }
                }
            }
        }

        /// What a path is filed under: a boot file goes with the folder of its layer.
        private func key(_ path: FilePath) -> FilePath {
            var rest = path
            guard rest.removePrefix(layout.boot) else { return path }
            return rest.components.prefix(2).reduce(layout.boot) { $0.appending($1) }
        }
    }
}
