import Archives
import EROFS

extension LayerTree {
    /// The folder of a path, made where it is missing.
    func directory(
        _ components: ArraySlice<ArraySlice<UInt8>>,
        of entry: TarEntry
    ) throws -> ImageWriter.Node {
        var walk = Walk(components)
        var node = writer.root
        var parents: [ImageWriter.Node] = []
        while let name = walk.next() {
            if name.elementsEqual("..".utf8) {
                // Only a symbolic link's target has these; at the root they stay there, as in the kernel.
                node = parents.popLast() ?? writer.root
                continue
            }
            guard let child = writer.child(named: name, of: node), !whiteouts.contains(child) else {
                let hidesBelow = writer.child(named: name, of: node) != nil
                clear(name, in: node)
                let made = try writer.addDirectory(
                    named: name,
                    in: node,
                    attributes: Attributes(
                        permissions: 0o755,
                        userID: 0,
                        groupID: 0,
                        modified: Timestamp(
                            seconds: entry.modifiedSeconds,
                            nanoseconds: entry.modifiedNanoseconds
                        ),
                        xattrs: []
                    )
                )
                implied[made] = walk.consumed
                if hidesBelow { opaque.insert(made) }
                parents.append(node)
                node = made
                continue
            }
            switch writer.kind(of: child) {
            case .directory:
                parents.append(node)
                node = child
            case .symbolicLink:
                guard walk.follow(linkTargets[child] ?? []) else {
                    throw invalid(entry, "goes through more than 40 symbolic links")
                }
                if walk.isAbsolute {
                    node = writer.root
                    parents = []
                }
            default:
                throw invalid(
                    entry,
                    "goes through '\(String(printable: name))', which is no folder in this archive"
                )
            }
        }
        return node
    }

    /// What a path names, its last component not followed; nil when there is nothing.
    func lookUp(_ path: EntryPath) -> ImageWriter.Node? {
        guard let name = path.name else { return writer.root }
        var walk = Walk(path.parent)
        var node = writer.root
        var parents: [ImageWriter.Node] = []
        while let component = walk.next() {
            if component.elementsEqual("..".utf8) {
                node = parents.popLast() ?? writer.root
                continue
            }
            guard let child = writer.child(named: component, of: node) else { return nil }
            switch writer.kind(of: child) {
            case .directory:
                parents.append(node)
                node = child
            case .symbolicLink:
                guard walk.follow(linkTargets[child] ?? []) else { return nil }
                if walk.isAbsolute {
                    node = writer.root
                    parents = []
                }
            default: return nil
            }
        }
        return writer.child(named: name, of: node)
    }

    func isLinkable(_ node: ImageWriter.Node) -> Bool {
        writer.kind(of: node) != .directory && !whiteouts.contains(node)
    }

    func normalise(_ bytes: [UInt8], of entry: TarEntry) throws -> EntryPath {
        do { return try EntryPath(bytes) } catch {
            switch error {
            case .parentReference: throw invalid(entry, "contains '..'; rebuild the archive without it")
            case .nameTooLong: throw invalid(entry, "has a name longer than 255 bytes")
            case .tooDeep: throw invalid(entry, "is deeper than 4,096 folders")
            }
        }
    }
}

/// The components of a path still to go, with symbolic links spliced in as they are met.
private struct Walk {
    /// The path gone so far, for naming an implied folder.
    var consumed: String { String(printable: done.joined(separator: [UInt8(ascii: "/")])) }
    /// Whether the link followed last starts at the root.
    private(set) var isAbsolute = false

    private var rest: [ArraySlice<UInt8>]
    private var done: [ArraySlice<UInt8>] = []
    private var links = 0

    init(_ components: ArraySlice<ArraySlice<UInt8>>) { rest = components.reversed() }

    mutating func next() -> ArraySlice<UInt8>? {
        guard let name = rest.popLast() else { return nil }
        if name.elementsEqual("..".utf8) { _ = done.popLast() } else { done.append(name) }
        return name
    }

    /// Replaces the component just taken by a link's target; false after 40 links (the kernel's MAXSYMLINKS).
    mutating func follow(_ target: [UInt8]) -> Bool {
        links += 1
        guard links <= 40 else { return false }
        _ = done.popLast()
        isAbsolute = target.first == UInt8(ascii: "/")
        if isAbsolute { done = [] }
        let parts = target.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
        rest.append(contentsOf: parts.reversed())
        return true
    }
}
