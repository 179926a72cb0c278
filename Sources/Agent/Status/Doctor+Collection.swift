import Host
import ImageBackend
import SystemPackage

extension Doctor {
    /// The folders of configs by other hands; one that cannot be read stops collection.
    func externalRoots() async -> [Examination] {
        guard !settings.gc.externalRoots.isEmpty else { return [] }
        let folders = settings.gc.externalRoots.map(\.string).joined(separator: ", ")
        do {
            let roots = ExternalRoots(folders: settings.gc.externalRoots, store: settings.paths.store)
            _ = try await roots.snapshot()
            return [Examination(subject: "external roots", verdict: .good, message: folders)]
        } catch {
            return [Examination(subject: "external roots", verdict: .bad, message: "\(error)")]
        }
    }

    /// What a file system beyond `gc.highWater` is told; nil where it is not.
    func fullness(_ status: FileSystemStatus) -> Examination? {
        let limits = SpaceLimits(highWater: settings.gc.highWater, lowWater: settings.gc.lowWater)
        guard limits.excess(on: status, storeBytes: 0) > 0 else { return nil }
        return Examination(
            subject: "space",
            verdict: .warning,
            message: "\(status.availableBytes >> 20) MiB are free, but the file system is fuller than "
                + "gc.highWater, \(settings.gc.highWater)%: images are collected as soon as nothing needs them"
        )
    }
}
