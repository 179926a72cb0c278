import EROFS
import OCI

/// What a layer inherits from those below it: the steps that make its variant of its plain image.
///
/// The steps depend on the layer and on what it inherits, on nothing else; their canonical form is part of its key.
/// Two stacks that leave a layer the same inheritance share one blob of it.
struct Inheritance: Sendable {
    /// A step. Its paths are those of the variant, so that a step sees what earlier ones did.
    enum Step: Sendable {
        /// A folder gets these attributes; it is made if it is missing.
        case folder(EntryPath, Attributes)
        /// What is in a folder goes to another, for below there is a symbolic link in its place. A whiteout of that link
        /// stays behind if the layer has one.
        case move(from: EntryPath, to: EntryPath, leavingWhiteout: Bool)
        /// The same for one thing that came before its folder was described.
        case moveEarly(from: EntryPath, to: EntryPath)
        /// What lies below under that name is gone.
        case whiteout(EntryPath)
        /// Nothing below shows in a folder.
        case opaque(EntryPath)
        /// A copy of something that lies below.
        case copy(EntryPath, Original)
        /// A further name.
        case link(EntryPath, to: EntryPath)
    }

    /// Something below that is copied.
    struct Original: Sendable {
        var place: MergedView.Place
        var attributes: Attributes
        /// SHA-256 of a file's bytes or a link's target; of nothing for what has neither.
        var content: Digest
    }

    /// The steps; none where the plain image is right as it is.
    var steps: [Step] = []

    /// SHA-256 of the canonical form; nil where nothing is inherited.
    var digest: Digest? { steps.isEmpty ? nil : Digest.sha256(of: canonical) }

    /// The steps as text, a line each, in the same alphabet as ``OpenEnds``.
    var canonical: [UInt8] {
        var text = Array("slipway inheritance 1\n".utf8)
        for step in steps { step.encode(into: &text) }
        return text
    }
}

extension Inheritance.Step {
    fileprivate func encode(into text: inout [UInt8]) {
        func line(_ word: String, _ paths: [EntryPath], _ rest: [String] = []) {
            text += word.utf8
            for path in paths {
                text.append(UInt8(ascii: " "))
                path.encode(into: &text)
            }
            for field in rest {
                text.append(UInt8(ascii: " "))
                text += field.utf8
            }
            text.append(UInt8(ascii: "\n"))
        }
        switch self {
        case .folder(let path, let attributes): line("folder", [path], attributes.fields)
        case .move(let from, let to, let leavingWhiteout):
            line(leavingWhiteout ? "move-whited-out" : "move", [from, to])
        case .moveEarly(let from, let to): line("move-early", [from, to])
        case .whiteout(let path): line("whiteout", [path])
        case .opaque(let path): line("opaque", [path])
        case .copy(let path, let original):
            let inode = original.place.inode
            let kind = "\(inode.kind) \(inode.size) \(inode.device.major):\(inode.device.minor)"
            line("copy", [path], [kind, original.content.hex] + original.attributes.fields)
        case .link(let path, let target): line("link", [path, target])
        }
    }
}

extension Attributes {
    /// Mode in octal, owner, group, time, then extended attributes with name and value in hexadecimal.
    fileprivate var fields: [String] {
        let time = "\(modified.seconds).\(modified.nanoseconds)"
        return [String(permissions, radix: 8), "\(userID)", "\(groupID)", time]
            + xattrs.map { "\(hex($0.name))=\(hex($0.value))" }
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
