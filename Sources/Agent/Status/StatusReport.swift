public import OCI
public import Store

/// How a host stands: what `slipway status` prints, as a table or as this value's JSON.
public struct StatusReport: Sendable, Codable, Hashable {
    /// An item of an input.
    public struct Item: Sendable, Codable, Hashable {
        /// `inbox/web.tar`, `queue/docker.io/library/nginx:1.27`, `vm/web-1`.
        public var name: String
        /// Of inbox and queue `waiting`, `running`, `done`, `failed`; a VM's `waiting`, `ready`, `held`, `invalid`,
        /// `retiring`.
        public var state: String
        /// A stable code of why; absent where there is nothing to explain.
        public var reason: String?
        /// Why, in words.
        public var message: String?
        /// The reference concerned.
        public var reference: String?
        /// The image concerned.
        public var image: Digest?
        /// Whether a hypervisor runs on it; VMs only.
        public var running: Bool?
        /// Tries so far; not of VMs.
        public var attempts: Int?
        /// When it will be tried again (RFC 3339); absent: not before it changes.
        public var nextTry: String?
        /// Bytes of its files; items of the inbox only.
        public var bytes: UInt64?
        /// Bytes that the import that runs has read.
        public var bytesDone: UInt64?

        /// Whether it is as its input wants it.
        public var isSettled: Bool { state == "done" || state == "ready" }
        /// Whether it will not become so by itself.
        public var isStuck: Bool {
            state == "held" || state == "invalid" || (state == "failed" && nextTry == nil)
        }
    }

    /// The inbox as a whole.
    public struct Inbox: Sendable, Codable, Hashable {
        /// The folder.
        public var path: String
        /// Files and image folders that are images, or should be.
        public var items: Int
        /// Bytes of their files.
        public var bytes: UInt64
        /// Why nothing is concluded from what is missing in it; absent where all is well.
        public var pause: String?
        /// Why the agent looks every few seconds instead of being told of changes; absent where it is told.
        public var polling: String?
        /// How often the kernel dropped events since the agent started.
        public var lostEvents: Int
    }

    /// An image that nothing pins.
    public struct Unpinned: Sendable, Codable, Hashable {
        /// The image.
        public var image: Digest
        /// References that mean it.
        public var references: [String]
        /// Seconds until it may be collected, on the store's clock.
        public var secondsLeft: Int64
    }

    /// A reference that several sources claim for different images.
    public struct Conflict: Sendable, Codable, Hashable {
        /// The reference.
        public var reference: String
        /// Whose claim holds, then the others.
        public var sources: [Source]
    }

    /// The version of this form.
    public var schema = 1
    /// The root.
    public var root: String
    /// Whether an agent runs on the root.
    public var agentRuns: Bool
    /// The inbox.
    public var inbox: Inbox
    /// Items of the inbox by name, lines of the queue in order, then VMs by name.
    public var items: [Item]
    /// Images that nothing pins.
    public var unpinned: [Unpinned]
    /// References claimed for different images.
    public var conflicts: [Conflict]

    /// Whether everything is as the inputs want it.
    public var isComplete: Bool { items.allSatisfy { $0.isSettled || $0.state == "retiring" } }
}
