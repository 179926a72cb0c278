extension ImageConfig {
    /// A config's bytes with other diffIDs in `rootfs.diff_ids`. All else stays, byte for byte: an image's config holds
    /// more than is known here.
    ///
    /// - Parameters:
    ///   - json: the config's bytes.
    ///   - diffIDs: as many as it has.
    /// - Throws: ``MalformedDocument`` for a config that cannot be changed without writing it anew, such as one that
    ///   escapes the characters of a digest.
    public static func replacingDiffIDs(in json: [UInt8], with diffIDs: [Digest]) throws(MalformedDocument)
        -> [UInt8]
    {
        var wanted = try ImageConfig(json: json)
        guard wanted.diffIDs != diffIDs else { return json }
        var scanner = JSONScanner(json)
        let places = scanner.places(of: ["rootfs", "diff_ids"])
        var changed = json
        for (place, diffID) in zip(places, diffIDs) where place.count == diffID.description.utf8.count {
            changed.replaceSubrange(place, with: diffID.description.utf8)
        }
        wanted.diffIDs = diffIDs
        // The proof that what was found is what every reader finds.
        guard try ImageConfig(json: changed) == wanted else {
            throw MalformedDocument(
                kind: kind,
                path: "rootfs.diff_ids",
                problem: "it is written in a way that cannot be changed: build the image again"
            )
        }
        return changed
    }
}

/// Finds where in a JSON document strings stand. The document has been decoded before and is known to be sound; of one
/// that is not, nothing is found.
private struct JSONScanner {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The bytes between the quotes of each string in the array at a path of keys.
    mutating func places(of path: [String]) -> [Range<Int>] {
        guard let key = path.first else { return elements() }
        var found: [Range<Int>] = []
        guard take("{") else { return [] }
        while !take("}"), let name = string() {
            guard take(":") else { return [] }
            if bytes[name].elementsEqual(key.utf8) {
                // Of two members of one name the last counts, as for every decoder here.
                found = places(of: Array(path.dropFirst()))
            } else {
                skipValue()
            }
            _ = take(",")
        }
        return found
    }

    private mutating func elements() -> [Range<Int>] {
        var places: [Range<Int>] = []
        guard take("[") else {
            skipValue()
            return []
        }
        while !take("]") {
            let start = position
            if let place = string() { places.append(place) } else { skipValue() }
            guard take(",") || position > start else { return [] }
        }
        return places
    }

    /// Passes over a value, however deep.
    private mutating func skipValue() {
        var depth = 0
        repeat {
            skipSpace()
            guard position < bytes.count else { return }
            switch bytes[position] {
            case UInt8(ascii: "\""): _ = string()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // The end of what this value is in.
                if depth == 0 { return }
                depth -= 1
                position += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                if depth == 0 { return }
                position += 1
            default: while position < bytes.count, !Self.ends.contains(bytes[position]) { position += 1 }
            }
        } while depth > 0
    }

    private static let ends = Set("{}[],:\" \t\r\n".utf8)

    private mutating func string() -> Range<Int>? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return start..<position
    }

    private mutating func take(_ character: Character) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == character.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count, " \t\r\n".utf8.contains(bytes[position]) { position += 1 }
    }
}
