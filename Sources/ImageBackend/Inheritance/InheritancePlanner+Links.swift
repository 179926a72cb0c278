import EROFS
import OCI

extension InheritancePlanner {
    /// Hard links whose target may lie below: a copy of it, made once however many links it has. Where nothing lies
    /// below, the target is the layer's own, possibly another link of this kind.
    mutating func planLinks() throws {
        var copies: [String: EntryPath] = [:]
        var linked: Set<EntryPath> = []
        var waiting = layer.links
        while !waiting.isEmpty {
            var rest: [OpenEnds.Link] = []
            for link in waiting {
                let path = try landing(of: link)
                if let place = try find(link) {
                    let copy = "\(place.layer):\(place.inode.nid)"
                    if let first = copies[copy] {
                        steps.append(.link(path, to: first))
                    } else {
                        copies[copy] = path
                        steps.append(.copy(path, try original(place)))
                    }
                } else if link.isResolved {
                    continue
                } else if let own = try findOwn(link.target, linked) {
                    steps.append(.link(path, to: own))
                } else {
                    rest.append(link)
                    continue
                }
                linked.insert(path)
            }
            guard rest.count < waiting.count else {
                throw ImageError(
                    .invalidArchive,
                    "'\(rest[0].path.printable)' is a hard link to '\(rest[0].target.printable)', which neither its "
                        + "layer nor one below has"
                )
            }
            waiting = rest
        }
    }

    private func landing(of link: OpenEnds.Link) throws -> EntryPath {
        guard let name = link.path.name,
            let folder = try resolve(link.path.folder)?.last
        else { return link.path }
        return folder.path.appending(name)
    }

    /// The target below, not looking at this layer: what it does to the target came later, or was seen when the
    /// link came.
    private func find(_ link: OpenEnds.Link) throws -> MergedView.Place? {
        var lower = InheritancePlanner(OpenEnds(), plain: plain, below: below)
        lower.isBelowOnly = true
        guard let name = link.target.name,
            let folder = try lower.resolve(link.target.folder)?.last?.below
        else { return nil }
        switch try below.entry(named: name, of: folder) {
        case .nothing: return nil
        case .other(let place): return place
        case .folder:
            throw ImageError(
                .invalidArchive,
                "'\(link.path.printable)' is a hard link to '\(link.target.printable)', which is a folder below"
            )
        }
    }

    private func findOwn(_ target: EntryPath, _ linked: Set<EntryPath>) throws -> EntryPath? {
        guard let name = target.name,
            let folder = try resolve(target.folder)?.last
        else { return nil }
        let path = folder.path.appending(name)
        if linked.contains(path) { return path }
        switch try entry(named: name, of: folder) {
        case .other(let isOwn) where isOwn: return path
        case .symbolicLink(_, let isOwn) where isOwn: return path
        default: return nil
        }
    }

    private func original(_ place: MergedView.Place) throws -> Inheritance.Original {
        let hash = SHA256()
        if [.regular, .symbolicLink].contains(place.inode.kind) {
            try below.layers[place.layer].image.forEachChunk(of: place.inode) { hash.update($0) }
        }
        return Inheritance.Original(
            place: place,
            attributes: try below.attributes(of: place),
            content: hash.finalize()
        )
    }
}
