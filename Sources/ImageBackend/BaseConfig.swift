public import Host
public import Store
public import SystemPackage

/// What every image backend's configuration has: the store, and the paths in it.
public protocol BaseConfig: Sendable {
    /// Where everything lies.
    var store: StoreLayout { get }
}

extension BaseConfig {
    /// Creates the folders of the store that are missing.
    ///
    /// - Throws: `FileError`.
    public func ensureDirs() throws(FileError) {
        for folder in [
            store.root, store.temp, store.partial, store.trash, store.blobs, store.boot, store.images,
            store.merged,
        ] {
            try Directory.create(folder, permissions: FilePermissions(rawValue: 0o750))
        }
    }

    /// A layer's EROFS image.
    public func blobPath(_ key: LayerKey) -> FilePath { store.blob(key) }
}
