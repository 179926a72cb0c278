import Archives
import EROFS

extension LayerTree {
    func apply(_ whiteout: Whiteout, in parent: ImageWriter.Node, of entry: TarEntry) throws {
        switch whiteout {
        case .bookkeeping: break
        case .invalid: throw invalid(entry, "is a whiteout of nothing")
        case .opaque:
            if parent == writer.root { hasOpaqueRoot = true }
            opaque.insert(parent)
        case .name(let name):
            if let real = writer.child(named: name, of: parent) {
                // The real entry of the same layer wins; a folder then hides what is below it.
                if writer.kind(of: real) == .directory { opaque.insert(real) }
                return
            }
            if pending[parent]?[name] != nil { return }
            let node = try writer.addDevice(
                named: name,
                in: parent,
                kind: .characterDevice,
                major: 0,
                minor: 0,
                attributes: Attributes(
                    permissions: 0,
                    userID: 0,
                    groupID: 0,
                    modified: Timestamp(
                        seconds: entry.modifiedSeconds,
                        nanoseconds: entry.modifiedNanoseconds
                    ),
                    xattrs: []
                )
            )
            whiteouts.insert(node)
            whiteoutsIn[parent, default: 0] += 1
        }
    }

    /// Makes room for an entry: forgets what is recorded of the one that it replaces.
    func clear(_ name: ArraySlice<UInt8>, in parent: ImageWriter.Node) {
        dropPending(name, in: parent)
        guard let old = writer.child(named: name, of: parent) else { return }
        if whiteouts.remove(old) != nil { whiteoutsIn[parent, default: 1] -= 1 }
        forget(old)
        writer.remove(old)
    }

    /// Forgets what is recorded of a node and everything below it.
    func forget(_ node: ImageWriter.Node) {
        var stack = [node]
        while let next = stack.popLast() {
            linkTargets[next] = nil
            implied[next] = nil
            opaque.remove(next)
            whiteouts.remove(next)
            whiteoutsIn[next] = nil
            guard writer.kind(of: next) == .directory else { continue }
            writer.forEachChild(of: next) { child, _ in stack.append(child) }
            pending[next] = nil
        }
    }

    func dropPending(_ name: ArraySlice<UInt8>, in parent: ImageWriter.Node) {
        if !pending.isEmpty { pending[parent]?[name] = nil }
    }
}
