import Archives
import EROFS

extension LayerTree {
    func addHardLink(_ entry: TarEntry, named name: ArraySlice<UInt8>, in parent: ImageWriter.Node)
        throws
    {
        let target = try normalise(entry.linkTarget, of: entry)
        guard let node = lookUp(target) else {
            clear(name, in: parent)
            pendingCount += 1
            var below = try belowPath(target, of: entry)
            // A link to itself is one to nothing, whatever lies below.
            if below == path(of: parent).appending(name) { below = nil }
            pending[parent, default: [:]][name] = PendingLink(
                order: pendingCount,
                path: entry.path,
                target: entry.linkTarget,
                offset: entry.offset,
                below: below
            )
            return
        }
        guard isLinkable(node) else {
            throw invalid(
                entry,
                "is a hard link to '\(String(printable: entry.linkTarget))', which is no file"
            )
        }
        if writer.child(named: name, of: parent) == node { return }
        clear(name, in: parent)
        _ = try writer.addHardLink(named: name, in: parent, to: node)
    }

    func resolvePendingLinks() throws {
        // A link may wait for another link: go round until nothing moves.
        var waiting = pending.flatMap { parent, links in
            links.map { (parent: parent, name: $0.key, link: $0.value) }
        }
        .sorted { $0.link.order < $1.link.order }
        while !waiting.isEmpty {
            var rest: [(parent: ImageWriter.Node, name: ArraySlice<UInt8>, link: PendingLink)] = []
            for (parent, name, link) in waiting {
                guard let node = try lookUp(EntryPath(link.target)), isLinkable(node) else {
                    rest.append((parent, name, link))
                    continue
                }
                _ = try writer.addHardLink(named: name, in: parent, to: node)
                leaveOpen(link, named: name, in: parent, isResolved: true)
            }
            guard rest.count < waiting.count else {
                for (parent, name, link) in rest {
                    guard link.below != nil else {
                        throw ImageError(
                            .invalidArchive,
                            "entry '\(String(printable: link.path))' at byte \(link.offset) is a hard link to "
                                + "'\(String(printable: link.target))', which this archive does not have"
                        )
                    }
                    leaveOpen(link, named: name, in: parent, isResolved: false)
                }
                break
            }
            waiting = rest
        }
        pending = [:]
    }

    private func leaveOpen(
        _ link: PendingLink,
        named name: ArraySlice<UInt8>,
        in parent: ImageWriter.Node,
        isResolved: Bool
    ) {
        guard let target = link.below else { return }
        let path = path(of: parent).appending(name)
        openEnds.links.append(OpenEnds.Link(path: path, target: target, isResolved: isResolved))
    }
}
