import Documents
import SystemPackage

extension Settings {
    /// Every key, in the order of `config show`.
    static let keys: [SettingKey] = [
        .path("root", \.root),
        .path("inbox.path", \.inbox.path),
        .duration("inbox.settle", \.inbox.settle),
        .duration("inbox.folderSettle", \.inbox.folderSettle),
        .choice("inbox.onSuccess", \.inbox.onSuccess),
        .duration("inbox.rescan", \.inbox.rescan, atLeast: .seconds(1)),
        .strings("inbox.allowReferences", \.inbox.allowReferences),
        .bool("inbox.allowWorldWritable", \.inbox.allowWorldWritable),
        .path("queue.path", \.queue.path, awaits: "the registry client"),
        .duration("queue.refresh", \.queue.refresh, atLeast: .seconds(1), awaits: "the registry client"),
        .path("vms.requests", \.vms.requests),
        .path("vms.path", \.vms.path),
        .choice("vms.onRemove", \.vms.onRemove),
        .duration("vms.removeGrace", \.vms.removeGrace),
        .duration("vms.retiredTTL", \.vms.retiredTTL),
        .choice("vms.onImageChange", \.vms.onImageChange),
        .paths("vms.allowPaths", \.vms.allowPaths),
        .bool("vms.allowWorldWritable", \.vms.allowWorldWritable),
        .integer("vms.defaults.cpus", \.vms.defaults.cpus, in: 1...255),
        .size("vms.defaults.memory", \.vms.defaults.memory, atLeast: 16 << 20),
        .size("vms.defaults.disk.size", \.vms.defaults.diskSize, atLeast: 16 << 20),
        .choice("store.compression", \.store.compression),
        .kernelVersion("store.guestKernel", \.store.guestKernel, awaits: "formats newer than Linux 5.15"),
        .choice("store.engine", \.store.engine, awaits: "other engines than the native one"),
        .choice("store.check", \.store.check, awaits: "checks before the commit"),
        .size("store.reserve", \.store.reserve),
        .duration("gc.unpinnedTTL", \.gc.unpinnedTTL),
        .percentage("gc.highWater", \.gc.highWater, awaits: "collection by free space"),
        .percentage("gc.lowWater", \.gc.lowWater, awaits: "collection by free space"),
        .optionalSize("gc.maxBytes", \.gc.maxBytes, awaits: "collection by size"),
        .paths("gc.externalRoots", \.gc.externalRoots, awaits: "roots outside the store"),
        .profiles("boot.profiles", \.boot.profiles),
        .hypervisorVersion("hypervisor.version", \.hypervisor.version),
        .integer("jobs.conversions", \.jobs.conversions, in: 1...64),
        .integer("jobs.downloads", \.jobs.downloads, in: 1...64, awaits: "the registry client"),
    ]
}
