import Store

/// Items that are gone from an input, and whether that is believed: where too many went at one stroke it may be a mistake,
/// an unmount or half a file, and they count as gone only once that has lasted.
struct DoubtedAbsence {
    /// From so many items with an image on, the loss of most is not believed at once.
    static let threshold = 3

    /// Since when it is doubted; nil when it is not.
    let since: StoreTime?
    private let grace: Duration
    private let now: StoreTime

    /// - Parameters:
    ///   - memory: what is remembered of the input: since when the absence of items was doubted.
    ///   - isDoubtful: whether it has to be doubted from now on.
    ///   - grace: how long it must last.
    init(
        ofAny isAny: Bool,
        memory: SourceRecord?,
        isDoubtful: Bool,
        grace: Duration,
        now: StoreTime
    ) {
        since = isAny ? memory?.absentSince ?? (isDoubtful ? now : nil) : nil
        self.grace = grace
        self.now = now
    }

    /// When it will be believed; nil where it is.
    var end: StoreTime? {
        guard let since, now < since + grace else { return nil }
        return since + grace
    }
}
