import EROFS
import Host
import SystemPackage
import TestSupport
import Testing

/// A stretch of a file's content.
enum Piece: Equatable, Sendable {
    case bytes([UInt8])
    case hole(UInt64)

    var count: UInt64 {
        switch self {
        case .bytes(let bytes): UInt64(bytes.count)
        case .hole(let count): count
        }
    }
}

/// What a name in a model tree is.
enum Thing: Equatable, Sendable {
    case file([Piece])
    case directory
    case symbolicLink([UInt8])
    case device(NodeKind, UInt32, UInt32)
    case fifo
    case socket
    /// Another name of the thing at a path added before.
    case link([[UInt8]])
}

/// A tree to be written, and then looked for in the image: things by their paths, in the order of adding.
struct Model: Sendable {
    struct Item: Sendable {
        var path: [[UInt8]]
        var thing: Thing
        var attributes: Attributes
    }

    private(set) var items: [Item] = []
    var root = Attributes(permissions: 0o755)

    static let time = Timestamp(seconds: 1_700_000_000, nanoseconds: 123_456_789)

    mutating func add(
        _ path: String,
        _ thing: Thing,
        _ attributes: Attributes = Attributes(permissions: 0o644, modified: time)
    ) {
        add(path.split(separator: "/").map { Array($0.utf8) }, thing, attributes)
    }

    mutating func add(
        _ path: [[UInt8]],
        _ thing: Thing,
        _ attributes: Attributes = Attributes(permissions: 0o644, modified: time)
    ) {
        items.append(Item(path: path, thing: thing, attributes: attributes))
    }

    mutating func add(_ path: String, text: String) { add(path, .file([.bytes(Array(text.utf8))])) }

    /// Writes the tree through the writer's calls.
    func write(with writer: ImageWriter) throws {
        try writer.setAttributes(root, of: writer.root)
        for item in items { try item.write(with: writer) }
    }

    fileprivate static func find(_ path: [[UInt8]], _ writer: ImageWriter) -> ImageWriter.Node? {
        path.reduce(writer.root) { node, name in node.flatMap { writer.child(named: name, of: $0) } }
    }

    /// What the image must hold: the last thing of each path, without what lay below a path that was replaced.
    func expected() -> [[[UInt8]]: Expectation] {
        var result: [[[UInt8]]: Expectation] = [
            []: Expectation(thing: .directory, attributes: root, group: -1)
        ]
        for (number, item) in items.enumerated() {
            if result[item.path] != nil {
                for path in Array(result.keys) where path.starts(with: item.path) { result[path] = nil }
            }
            if case .link(let target) = item.thing {
                result[item.path] = result[target]
            } else {
                result[item.path] = Expectation(thing: item.thing, attributes: item.attributes, group: number)
            }
        }
        return result
    }
}

extension Model.Item {
    /// Adds the thing to an image.
    func write(with writer: ImageWriter) throws {
        let parent = try #require(Model.find(Array(path.dropLast()), writer))
        let name = try #require(path.last)
        switch thing {
        case .directory: try writer.addDirectory(named: name, in: parent, attributes: attributes)
        case .symbolicLink(let target):
            try writer.addSymbolicLink(
                named: name,
                in: parent,
                target: target,
                attributes: attributes
            )
        case .device(let kind, let major, let minor):
            try writer.addDevice(
                named: name,
                in: parent,
                kind: kind,
                major: major,
                minor: minor,
                attributes: attributes
            )
        case .fifo: try writer.addFIFO(named: name, in: parent, attributes: attributes)
        case .socket: try writer.addSocket(named: name, in: parent, attributes: attributes)
        case .link(let target):
            try writer.addHardLink(named: name, in: parent, to: try #require(Model.find(target, writer)))
        case .file(let pieces):
            let size = pieces.reduce(0) { $0 + $1.count }
            try writer.beginFile(named: name, in: parent, size: size, attributes: attributes)
            for piece in pieces {
                switch piece {
                case .bytes(let bytes): try bytes.withUnsafeBytes { try writer.write($0) }
                case .hole(let count): try writer.writeHole(count)
                }
            }
            try writer.endFile()
        }
    }
}

/// What a path of an image must be. Paths with one group are names of one inode.
struct Expectation: Equatable, Sendable {
    var thing: Thing
    var attributes: Attributes
    var group: Int

    var kind: NodeKind {
        switch thing {
        case .file: .regular
        case .directory, .link: .directory
        case .symbolicLink: .symbolicLink
        case .device(let kind, _, _): kind
        case .fifo: .fifo
        case .socket: .socket
        }
    }

    /// The attributes' xattrs, sorted, the last of each name.
    var xattrs: [ExtendedAttribute] {
        var byName: [[UInt8]: [UInt8]] = [:]
        for attribute in attributes.xattrs { byName[attribute.name] = attribute.value }
        return sorted(byName.map { ExtendedAttribute(name: $0.key, value: $0.value) })
    }

    var pieces: [Piece] { if case .file(let pieces) = thing { pieces } else { [] } }
    var size: UInt64 { pieces.reduce(0) { $0 + $1.count } }
}

func sorted(_ xattrs: [ExtendedAttribute]) -> [ExtendedAttribute] {
    xattrs.sorted { $0.name.lexicographicallyPrecedes($1.name) }
}

extension [[[UInt8]]: Expectation] {
    /// The link count that each path must have, and the number of entries of each folder.
    func counts() -> (links: [[[UInt8]]: UInt64], entries: [[[UInt8]]: Int]) {
        var names: [Int: UInt64] = [:]
        var entries: [[[UInt8]]: Int] = [:]
        var folders: [[[UInt8]]: UInt64] = [:]
        for (path, expectation) in self where !path.isEmpty {
            let parent = Array(path.dropLast())
            entries[parent, default: 0] += 1
            if expectation.kind == .directory { folders[parent, default: 0] += 1 }
            names[expectation.group, default: 0] += 1
        }
        let links = reduce(into: [[[UInt8]]: UInt64]()) { links, item in
            let isFolder = item.value.kind == .directory
            links[item.key] =
                isFolder ? 2 + folders[item.key, default: 0] : names[item.value.group, default: 0]
        }
        return (links, entries)
    }
}

/// A path for a message.
func text(_ path: [[UInt8]]) -> String {
    "/" + path.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
}
