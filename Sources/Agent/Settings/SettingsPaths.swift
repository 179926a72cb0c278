public import Store
public import SystemPackage

extension Settings {
    /// The absolute places that the settings name.
    public struct Paths: Sendable, Hashable {
        /// The root.
        public let root: FilePath
        /// The folder of tar files.
        public let inbox: FilePath
        /// The file of references.
        public let queue: FilePath
        /// The folder of requests.
        public let requests: FilePath
        /// The folder of rendered configs and disks.
        public let vms: FilePath
        /// Receipts of the inbox.
        public let inboxReceipts: FilePath
        /// Receipts of the queue.
        public let queueReceipts: FilePath
        /// The store.
        public let store: StoreLayout
        /// Locked by the agent that serves this root.
        public let agentLock: FilePath
        /// Metrics; nil for none.
        public let metrics: FilePath?
    }

    /// The places, relative ones below the root.
    public var paths: Paths {
        Paths(
            root: root,
            inbox: root.pushing(inbox.path).lexicallyNormalized(),
            queue: root.pushing(queue.path).lexicallyNormalized(),
            requests: root.pushing(vms.requests).lexicallyNormalized(),
            vms: root.pushing(vms.path).lexicallyNormalized(),
            inboxReceipts: root.appending("receipts").appending("inbox"),
            queueReceipts: root.appending("receipts").appending("queue"),
            store: StoreLayout(root: root.appending("store")),
            agentLock: root.appending("agent.lock"),
            metrics: metrics.file.map { root.pushing($0).lexicallyNormalized() }
        )
    }
}
