import Logging
import Store

/// What is said of an input and its items. What lasts is said when it begins, not by every pass.
struct ItemLog {
    private let logger: Logger
    private let name: String
    private let input: Source
    private var lasting: [Source: String] = [:]

    /// - Parameters:
    ///   - name: what the input is called: `the inbox`.
    ///   - input: the source that stands for the input itself.
    init(_ logger: Logger, name: String, input: Source) {
        self.logger = logger
        self.name = name
        self.input = input
    }

    /// Says something of an item.
    func say(_ level: Logger.Level, _ item: Source, _ message: String, _ metadata: Logger.Metadata = [:]) {
        logger.log(
            level: level,
            "\(message)",
            metadata: metadata.merging(["item": "\(item)"]) { old, _ in old }
        )
    }

    /// Says something of an item, or of the input, that lasts; nil once it is over.
    ///
    /// - Returns: whether it was news.
    @discardableResult
    mutating func announce(
        _ item: Source,
        _ news: (code: String, message: String)?,
        level: Logger.Level = .warning
    ) -> Bool {
        let key = news.map { "\($0.code): \($0.message)" }
        guard lasting[item] != key else { return false }
        lasting[item] = key
        guard let news else { return false }
        if item == input {
            logger.log(level: level, "\(name) is \(news.code): \(news.message)")
        } else {
            say(level, item, news.message, ["error_code": "\(news.code)"])
        }
        return true
    }

    /// Whatever lasted of an item is over.
    mutating func forget(_ item: Source) { lasting[item] = nil }

    /// The same of all items but these; what lasts of the input goes on.
    mutating func forget(except isThere: (Source) -> Bool) {
        lasting = lasting.filter { $0.key == input || isThere($0.key) }
    }
}
