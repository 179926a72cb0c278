public import OCI
public import Store

/// An item of the inbox as `slipway status` shows it.
public struct InboxItemStatus: Sendable, Hashable, Codable {
    /// The item's name.
    public var item: String
    /// Where it stands.
    public var state: SourceRecord.State
    /// Bytes of its files.
    public var size: UInt64
    /// The reference it claims, where its name is one.
    public var reference: String?
    /// Its image.
    public var image: Digest?
    /// A stable code of what is wrong or waited for.
    public var code: String?
    /// What is wrong or waited for, in words.
    public var message: String?
    /// Tries so far.
    public var attempts: Int
    /// When it will be tried again, on the store's clock.
    public var nextTry: StoreTime?
    /// Bytes read by the import that runs.
    public var bytesDone: UInt64?
}

/// What the inbox is busy with.
public struct InboxActivity: Sendable, Hashable {
    /// Imports that run.
    public var running: Int
    /// Imports that wait for their turn.
    public var queued: Int
    /// Items that are still being written or have not stood still for long enough.
    public var unsettled: Int
    /// Items that failed or were refused.
    public var failed: Int
    /// Items that wait for something other than time.
    public var incomplete: Int
    /// Why nothing is concluded from what is missing in the folder; nil when all is well.
    public var pause: String?

    /// Whether an import ended that no pass has seen yet.
    public var needsPass: Bool

    /// Whether nothing runs, waits for its turn, settles, or waits to be seen.
    public var isIdle: Bool { running == 0 && queued == 0 && unsettled == 0 && !needsPass }
}
