import Documents
import Store
import SystemPackage

extension Settings {
    /// Looks at what no single value shows: values that contradict each other.
    public func check(origins: [String: SettingOrigin] = [:]) throws(ConfigurationError) {
        func origin(_ key: String) -> String { origins[key].map { "\($0): " } ?? "" }
        guard root.isAbsolute else {
            throw ConfigurationError("\(origin("root"))root: expected an absolute path, found '\(root)'")
        }
        guard gc.lowWater < gc.highWater else {
            throw ConfigurationError(
                "\(origin("gc.lowWater"))gc.lowWater: \(gc.lowWater)% must be below gc.highWater, \(gc.highWater)%"
            )
        }
        try checkPaths(origin)
    }

    /// The folders are swept or written by different parts: none may lie in another.
    private func checkPaths(_ origin: (String) -> String) throws(ConfigurationError) {
        let paths = paths
        let places: [(key: String, path: FilePath)] =
            [
                ("inbox.path", paths.inbox), ("queue.path", paths.queue), ("vms.requests", paths.requests),
                ("vms.path", paths.vms), ("the store", paths.store.root),
                ("receipts", paths.root.appending("receipts")),
            ] + (paths.metrics.map { [("metrics.file", $0)] } ?? [])
        for place in places where paths.root.starts(with: place.path) {
            throw ConfigurationError(
                "\(origin(place.key))\(place.key): \(place.path) holds the root \(paths.root)"
            )
        }
        for (index, first) in places.enumerated() {
            for second in places.dropFirst(index + 1)
            where first.path.starts(with: second.path) || second.path.starts(with: first.path) {
                throw ConfigurationError(
                    "\(origin(first.key))\(first.key), \(first.path), and \(second.key), \(second.path), "
                        + "must not lie in each other"
                )
            }
        }
    }
}
