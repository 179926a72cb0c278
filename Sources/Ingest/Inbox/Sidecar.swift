import Host
import OCI
import SystemPackage

/// The digest that a file `NAME.sha256` promises for the file beside it.
///
/// Taken are the forms that sha256sum writes (`<hex>  NAME`, `<hex> *NAME`), the one of BSD's sha256
/// (`SHA256 (NAME) = <hex>`) and a bare digest. Of several lines, the one that names the file counts.
enum Sidecar {
    /// Why a sidecar does not tell.
    enum Problem: Error, Equatable {
        /// It is empty: still being written.
        case empty
        /// It holds no digest for the file.
        case malformed
    }

    /// No checksum of one file is longer than this many bytes; lists of a few hundred files fit.
    static let sizeLimit = 64 << 10

    /// The digest that a sidecar's text promises for the file `name`.
    static func digest(in text: String, for name: String) throws(Problem) -> Digest {
        let lines = text.split(whereSeparator: \.isNewline).map { trim($0) }.filter {
            !$0.isEmpty && !$0.hasPrefix("#")
        }
        guard !lines.isEmpty else { throw .empty }
        let entries = lines.compactMap(parse)
        guard entries.count == lines.count else { throw .malformed }
        let match = entries.first { $0.name.map { lastComponent($0) == name } ?? (entries.count == 1) }
        guard let match else { throw .malformed }
        return match.digest
    }

    private static func parse(_ line: Substring) -> (digest: Digest, name: Substring?)? {
        if line.hasPrefix("SHA256 ("), let end = line.range(of: ") = ") {
            let name = line[line.index(line.startIndex, offsetBy: 8)..<end.lowerBound]
            return Digest(hex: line[end.upperBound...].lowercased()).map { ($0, name) }
        }
        var rest = line.hasPrefix("sha256:") ? line.dropFirst(7) : line
        let hex = rest.prefix { !$0.isWhitespace }
        guard let digest = Digest(hex: hex.lowercased()) else { return nil }
        rest = trim(rest.dropFirst(hex.count))
        if rest.hasPrefix("*") { rest = rest.dropFirst() }
        return (digest, rest.isEmpty ? nil : rest)
    }

    private static func lastComponent(_ path: Substring) -> String {
        String(path.split(separator: "/").last ?? path)
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first.isWhitespace || first == "\u{FEFF}" { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}

extension Substring {
    /// Where a short text lies in this one.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
