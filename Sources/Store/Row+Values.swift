import GRDB
import OCI

/// Typed values of a row. What cannot be is an error, not a trap: the index is a file, and files get damaged.
extension Row {
    private func corrupt(_ column: String) -> StoreError {
        StoreError(
            .corruptIndex,
            "the index holds an impossible value in the column '\(column)': stop the agent and run 'slipway store rebuild-index'"
        )
    }

    private func storage(_ column: String) throws(StoreError) -> DatabaseValue.Storage {
        guard let value = self[column] as DatabaseValue? else { throw corrupt(column) }
        return value.storage
    }

    /// A text, or nil for NULL.
    func optionalText(_ column: String) throws(StoreError) -> String? {
        switch try storage(column) {
        case .string(let text): text
        case .null: nil
        default: throw corrupt(column)
        }
    }

    /// A text.
    func text(_ column: String) throws(StoreError) -> String {
        guard let text = try optionalText(column) else { throw corrupt(column) }
        return text
    }

    /// A number, or nil for NULL.
    func optionalInteger(_ column: String) throws(StoreError) -> Int64? {
        switch try storage(column) {
        case .int64(let number): number
        case .null: nil
        default: throw corrupt(column)
        }
    }

    /// A number.
    func integer(_ column: String) throws(StoreError) -> Int64 {
        guard let number = try optionalInteger(column) else { throw corrupt(column) }
        return number
    }

    /// A count of bytes.
    func bytes(_ column: String) throws(StoreError) -> UInt64 {
        guard let number = UInt64(exactly: try integer(column)) else { throw corrupt(column) }
        return number
    }

    /// A digest of 64 hex digits, or nil for NULL.
    func optionalDigest(_ column: String) throws(StoreError) -> Digest? {
        guard let text = try optionalText(column) else { return nil }
        guard let digest = Digest(hex: text) else { throw corrupt(column) }
        return digest
    }

    /// A digest of 64 hex digits.
    func digest(_ column: String) throws(StoreError) -> Digest {
        guard let digest = try optionalDigest(column) else { throw corrupt(column) }
        return digest
    }

    /// A layer's key.
    func layerKey(_ column: String) throws(StoreError) -> LayerKey {
        guard let key = LayerKey(try text(column)) else { throw corrupt(column) }
        return key
    }

    /// A point on the store's clock, or nil for NULL.
    func optionalTime(_ column: String) throws(StoreError) -> StoreTime? {
        try optionalInteger(column).map(StoreTime.init(nanoseconds:))
    }

    /// A point on the store's clock.
    func time(_ column: String) throws(StoreError) -> StoreTime {
        StoreTime(nanoseconds: try integer(column))
    }

    /// A source.
    func source(_ column: String) throws(StoreError) -> Source { Source(rawValue: try text(column)) }

    /// A value of one of our types, kept as JSON.
    func json<Value: Decodable>(_ column: String, as type: Value.Type) throws -> Value {
        do { return try JSON.decode(type, from: Array(try text(column).utf8)) } catch is DecodingError {
            throw corrupt(column)
        }
    }
}
