/// What a layer leaves open until the layers below it are known, as the note of its image keeps it.
///
/// The note is text, a line each, the paths absolute and percent-encoded: it can be read with `tail` and `strings`.
struct OpenEnds: Equatable, Sendable {
    /// A folder that the layer's entries imply without describing it.
    struct Folder: Equatable, Sendable {
        /// What the layer says of the same name below.
        enum State: String, Sendable {
            /// Nothing.
            case open = "implied"
            /// Hidden before the folder came: only the setgid bit of the folder that it lies in matters.
            case hiding
            /// Whited out after the folder came: what is below that name goes, what this layer has stays.
            case whitedOut = "whited-out"
        }

        var path: EntryPath
        var state = State.open
    }

    /// A hard link whose target the layer did not have when the link came.
    struct Link: Equatable, Sendable {
        var path: EntryPath
        var target: EntryPath
        /// Whether the target came later in the layer. It counts only if none lies below.
        var isResolved: Bool
    }

    /// What came before the folder that it is in was described: if a symbolic link lies below in the folder's place, it
    /// went through that.
    var early: [EntryPath] = []
    /// Folders, each after the one that it lies in; the root too, where nothing describes it.
    var folders: [Folder] = []
    /// Whiteouts in folders that nothing else implies: there are such folders only if they lie below.
    var whiteouts: [EntryPath] = []
    /// Such folders that are opaque.
    var opaque: [EntryPath] = []
    /// In the order of the archive.
    var links: [Link] = []

    /// How many things are open.
    var count: Int { early.count + folders.count + whiteouts.count + opaque.count + links.count }

    /// Nothing open.
    init() {}
}

extension OpenEnds {
    private static let title = "slipway layer 1"

    /// The note.
    var encoded: [UInt8] {
        var bytes = Array("\(Self.title)\n".utf8)
        func line(_ word: String, _ paths: EntryPath...) {
            bytes += word.utf8
            for path in paths {
                bytes.append(UInt8(ascii: " "))
                path.encode(into: &bytes)
            }
            bytes.append(UInt8(ascii: "\n"))
        }
        for path in early { line("early", path) }
        for folder in folders { line(folder.state.rawValue, folder.path) }
        for path in whiteouts { line("whiteout", path) }
        for path in opaque { line("opaque", path) }
        for link in links { line(link.isResolved ? "resolved-link" : "link", link.path, link.target) }
        return bytes
    }

    /// Reads a note.
    ///
    /// - Throws: ``ImageError`` when it is none that this version understands.
    init(note: [UInt8], of name: String) throws(ImageError) {
        let lines = note.split(separator: UInt8(ascii: "\n"))
        guard let first = lines.first, first.elementsEqual(Self.title.utf8) else {
            throw ImageError(
                .unsupported,
                "\(name) was written by a newer slipway: its note cannot be read here"
            )
        }
        for line in lines.dropFirst() {
            let fields = line.split(separator: UInt8(ascii: " "))
            let paths = fields.dropFirst().compactMap { EntryPath(encoded: $0) }
            guard let word = fields.first, paths.count == fields.count - 1 else { throw .brokenNote(name) }
            let kind = String(decoding: word, as: UTF8.self)
            if paths.count == 1, let state = Folder.State(rawValue: kind) {
                folders.append(Folder(path: paths[0], state: state))
                continue
            }
            switch (kind, paths.count) {
            case ("early", 1): early.append(paths[0])
            case ("whiteout", 1): whiteouts.append(paths[0])
            case ("opaque", 1): opaque.append(paths[0])
            case ("link", 2): links.append(Link(path: paths[0], target: paths[1], isResolved: false))
            case ("resolved-link", 2): links.append(Link(path: paths[0], target: paths[1], isResolved: true))
            default: throw .brokenNote(name)
            }
        }
    }
}

extension ImageError {
    fileprivate static func brokenNote(_ name: String) -> ImageError {
        ImageError(.store, "the note of \(name) is damaged; run `slipway store verify --repair`")
    }
}
