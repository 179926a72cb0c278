import Documents
import EROFS
import Foundation
import ImageBackend

/// Writes files as `ls -l` does, or as members of one JSON document, as they come: a listing may be a million lines.
struct FileListing: ~Copyable {
    private let isJSON: Bool
    private var buffer = ""
    private var isFirst = true

    init(isJSON: Bool) {
        self.isJSON = isJSON
        if isJSON { buffer = "{\n  \"files\": [" }
    }

    mutating func add(_ item: ImageFiles.Item) {
        buffer += isJSON ? (isFirst ? "\n    " : ",\n    ") + item.json.text : item.line + "\n"
        isFirst = false
        if buffer.utf8.count > 1 << 16 { flush() }
    }

    mutating func finish() {
        if isJSON { buffer += (isFirst ? "" : "\n  ") + "],\n  \"schema\": 1\n}\n" }
        flush()
    }

    private mutating func flush() {
        StandardOutput.write(buffer)
        buffer = ""
    }
}

extension ImageFiles.Item {
    /// The path from the root.
    private var bytes: [UInt8] {
        path.isEmpty ? [UInt8(ascii: "/")] : path.reduce(into: []) { $0 += [UInt8(ascii: "/")] + $1 }
    }

    /// `-rw-r--r-- 1 0 0 6 2023-11-14T22:13:20Z /etc/motd`
    fileprivate var line: String {
        func column(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.utf8.count)) + text
        }
        let size = device.map { "\($0.major),\($0.minor)" } ?? "\(size)"
        let columns = [
            mode, column("\(links)", 3), column("\(userID)", 5), column("\(groupID)", 5), column(size, 10),
            time,
            "\(EscapedName(bytes))",
        ]
        return columns.joined(separator: " ") + (target.map { " -> \(EscapedName($0))" } ?? "")
    }

    /// Names that are no UTF-8 are there twice: escaped, and their bytes in Base64.
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(kind.word), "mode": .string(String(permissions, radix: 8)),
            "uid": .integer(Int64(userID)), "gid": .integer(Int64(groupID)), "size": JSONValue(size),
            "links": .integer(Int64(links)), "modified": .string(time), "layer": .integer(Int64(layer)),
        ]
        func add(_ key: String, _ bytes: [UInt8]) {
            if let text = String(validating: bytes, as: UTF8.self) {
                members[key] = .string(text)
            } else {
                members[key] = .string("\(EscapedName(bytes))")
                members["\(key)Base64"] = .string(Data(bytes).base64EncodedString())
            }
        }
        add("path", bytes)
        if let target { add("target", target) }
        if let device {
            members["device"] = [
                "major": .integer(Int64(device.major)), "minor": .integer(Int64(device.minor)),
            ]
        }
        return .object(members)
    }

    private var time: String {
        let date = Date(timeIntervalSince1970: TimeInterval(modified.seconds))
        return date.formatted(Date.ISO8601FormatStyle())
    }

    /// The ten characters of `ls -l`.
    private var mode: String {
        var text = kind.letter
        for (shift, special, letter) in [(6, 0o4000, "s"), (3, 0o2000, "s"), (0, 0o1000, "t")] {
            let bits = Int(permissions) >> shift
            let isSpecial = Int(permissions) & special != 0
            text += bits & 4 != 0 ? "r" : "-"
            text += bits & 2 != 0 ? "w" : "-"
            switch (isSpecial, bits & 1 != 0) {
            case (false, let executes): text += executes ? "x" : "-"
            case (true, true): text += letter
            case (true, false): text += letter.uppercased()
            }
        }
        return text
    }
}

extension NodeKind {
    fileprivate var letter: String {
        switch self {
        case .regular: "-"
        case .directory: "d"
        case .symbolicLink: "l"
        case .characterDevice: "c"
        case .blockDevice: "b"
        case .fifo: "p"
        case .socket: "s"
        }
    }

    fileprivate var word: String {
        switch self {
        case .regular: "file"
        case .directory: "directory"
        case .symbolicLink: "symlink"
        case .characterDevice: "characterDevice"
        case .blockDevice: "blockDevice"
        case .fifo: "fifo"
        case .socket: "socket"
        }
    }
}
