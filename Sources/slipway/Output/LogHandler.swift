import Documents
import Foundation
import Logging

/// Logs to stderr, a line per event.
///
/// JSON lines have `ts` (RFC 3339, UTC), `level`, `msg`, `component`, and the event's metadata as further members.
struct LogHandler: Logging.LogHandler {
    enum Style {
        /// Time, level, component and message, then `key=value` pairs.
        case text
        /// As text without the time, after the priority in angle brackets that journald reads (sd-daemon(3)).
        case journal
        /// One JSON object.
        case json
    }

    let component: String
    let style: Style
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, style: Style, level: Logger.Level) {
        component = label.hasPrefix("slipway.") ? String(label.dropFirst(8)) : label
        self.style = style
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata
        fields.merge(metadataProvider?.get() ?? [:]) { $1 }
        fields.merge(event.metadata ?? [:]) { $1 }
        if let error = event.error { fields["error"] = "\(error)" }
        let component = fields.removeValue(forKey: "component").map { "\($0)" } ?? component
        StandardError.write(line(event, component: component, fields: fields) + "\n")
    }

    private func line(_ event: LogEvent, component: String, fields: Logger.Metadata) -> String {
        let message = "\(event.message)"
        switch style {
        case .json:
            var object: [String: JSONValue] = fields.mapValues { JSONValue($0) }
            object["ts"] = .string(Self.timestamp())
            object["level"] = .string(event.level.rawValue)
            object["msg"] = .string(message)
            object["component"] = .string(component)
            return JSONValue.object(object).text
        case .text:
            let level = event.level.rawValue.uppercased()
            let padding = String(repeating: " ", count: max(0, 8 - level.count))
            return "\(Self.timestamp()) \(level)\(padding) " + plain(component, message, fields)
        case .journal:
            return "<\(event.level.journalPriority)>" + plain(component, message, fields)
        }
    }

    /// One line whatever the message holds: a log line must not be forged by a file's name.
    private func plain(_ component: String, _ message: String, _ fields: Logger.Metadata) -> String {
        let pairs = fields.sorted { $0.key < $1.key }.map { key, value in
            let text = "\(value)"
            let isPlain =
                !text.isEmpty && !text.unicodeScalars.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            return "\(key)=\(isPlain ? text.withoutControlCharacters : JSONValue.string(text).text)"
        }
        return (["\(component): \(message.withoutControlCharacters)"] + pairs).joined(separator: " ")
    }

    private static func timestamp() -> String {
        Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}

extension JSONValue {
    fileprivate init(_ value: Logger.Metadata.Value) {
        switch value {
        case .string(let text): self = .string(text)
        case .stringConvertible(let value):
            // Counts and sizes stay numbers.
            switch value {
            case let value as Int: self = .integer(Int64(value))
            case let value as Int64: self = .integer(value)
            case let value as UInt64: self = JSONValue(value)
            case let value as Double: self = .number(value)
            default: self = .string("\(value)")
            }
        case .array(let elements): self = .array(elements.map { JSONValue($0) })
        case .dictionary(let members): self = .object(members.mapValues { JSONValue($0) })
        }
    }
}

extension Logger.Level {
    /// The level as syslog numbers it (syslog(3)).
    fileprivate var journalPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
