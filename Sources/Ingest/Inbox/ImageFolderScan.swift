import Host
import OCI
import SystemPackage

/// One look at a folder `NAME.image/`: its tar files in order are the layers of one image.
///
/// A file `layers` in it names them, bottom first, one a line, each with an optional SHA-256 after it; the folder is
/// complete when all of them are there. Without it, every file is a layer, ordered by leading number and name. A folder
/// with a file `oci-layout` is an OCI layout (image-spec, image-layout.md) and holds the images of its index.
struct ImageFolderScan {
    /// The inbox.
    var inbox: FilePath
    /// The folder's name.
    var name: String
    /// How it was when it had settled; its files are not opened while it still is.
    var settled: FileIdentity?

    /// The longest `layers` file: some ten thousand lines.
    private static let layersLimit = 1 << 20

    private struct Member {
        var name: String
        var stamp: FileIdentity
    }

    private var path: FilePath { inbox.appending(name) }

    /// The folder as an entry of the inbox.
    func run(_ status: FileStatus) -> InboxScan.Entry {
        var members: [Member] = []
        var foreign: String?
        var isLayout = false
        do throws(FileError) {
            let entries = try Directory.entries(in: path).filter { !InboxName.isIgnored($0.name) }
            isLayout = entries.contains { $0.name == "oci-layout" && $0.status.kind == .regular }
            for entry in entries {
                members.append(Member(name: entry.name, stamp: FileIdentity(entry.status)))
                if entry.status.kind == .regular { continue }
                if isLayout, entry.name == "blobs", entry.status.kind == .directory {
                    // The stamp of a folder changes with the names in it, and with nothing that matters else.
                    members.removeLast()
                    foreign = try addBlobs(to: &members) ?? foreign
                } else {
                    foreign =
                        foreign
                        ?? "\(path.appending(entry.name)) is \(entry.status.kind.words), not a tar file"
                }
            }
        } catch {
            return entry(status, [], obstacle: .kind(code: InboxCode.unreadable, message: "\(error)"))
        }
        members.sort { $0.name < $1.name }
        if let foreign {
            return entry(status, members, obstacle: .content(code: InboxCode.invalidFolder, message: foreign))
        }
        return isLayout ? layout(status, members) : judge(status, members)
    }

    /// Adds what lies below `blobs`.
    ///
    /// - Returns: what does not belong there.
    private func addBlobs(to members: inout [Member]) throws(FileError) -> String? {
        var foreign: String?
        for algorithm in try Directory.entries(in: path.pushing("blobs")) {
            let folder = path.pushing(FilePath("blobs/\(algorithm.name)"))
            guard algorithm.status.kind == .directory else {
                foreign = "\(folder) is \(algorithm.status.kind.words), not a folder of blobs"
                continue
            }
            for blob in try Directory.entries(in: folder) where !InboxName.isIgnored(blob.name) {
                let name = "blobs/\(algorithm.name)/\(blob.name)"
                members.append(Member(name: name, stamp: FileIdentity(blob.status)))
                guard blob.status.kind != .regular else { continue }
                foreign = "\(path.pushing(FilePath(name))) is \(blob.status.kind.words), not a blob"
            }
        }
        return foreign
    }

    private func layout(_ status: FileStatus, _ members: [Member]) -> InboxScan.Entry {
        let names = Set(members.map(\.name))
        guard names.contains("index.json") else {
            let message = "\(path.appending("index.json")) is not there yet"
            return entry(status, members, obstacle: .incomplete(message: message))
        }
        var result = entry(status, members, obstacle: nil)
        result.item.isLayout = true
        result.item.files = ["\(name)/index.json"]
        result.item.fileDigests = [nil]
        if names.contains("index.json" + InboxName.sidecarEnding) {
            let sidecar = path.appending("index.json" + InboxName.sidecarEnding)
            switch SidecarFile.read(sidecar, for: "index.json") {
            case .failure(let problem): return entry(status, members, obstacle: problem.obstacle)
            case .success(let digest): result.item.fileDigests = [digest]
            }
        }
        if settled != result.item.stamp { probe(&result, names.sorted().map { "\(name)/\($0)" }) }
        return result
    }

    private func judge(_ status: FileStatus, _ members: [Member]) -> InboxScan.Entry {
        let names = Set(members.map(\.name))
        var layers: [(name: String, digest: Digest?)]
        let isDeclared = names.contains(InboxName.layersFile)
        if isDeclared {
            switch readLayers() {
            case .failure(let problem): return entry(status, members, obstacle: problem.obstacle)
            case .success(let listed): layers = listed
            }
            let missing = layers.map(\.name).filter { !names.contains($0) }
            if let first = missing.first {
                let rest = missing.count > 1 ? " and \(missing.count - 1) more" : ""
                let message = "\(path.appending(InboxName.layersFile)) names \(first)\(rest), not there yet"
                return entry(status, members, obstacle: .incomplete(message: message))
            }
        } else {
            let tars = names.filter { !InboxName.isSidecar($0) }
            layers = tars.sorted(by: InboxName.precedes).map { ($0, nil) }
        }
        guard !layers.isEmpty else {
            let message = "\(path) holds no tar file"
            return entry(status, members, obstacle: .content(code: InboxCode.invalidFolder, message: message))
        }
        for index in layers.indices where names.contains(layers[index].name + InboxName.sidecarEnding) {
            let file = layers[index].name
            switch SidecarFile.read(path.appending(file + InboxName.sidecarEnding), for: file) {
            case .failure(let problem): return entry(status, members, obstacle: problem.obstacle)
            case .success(let digest):
                if let digest, let listed = layers[index].digest, digest != listed {
                    let message =
                        "\(path): \(InboxName.layersFile) and \(file)\(InboxName.sidecarEnding) promise different digests"
                    return entry(
                        status,
                        members,
                        obstacle: .content(code: InboxCode.invalidSidecar, message: message)
                    )
                }
                layers[index].digest = digest ?? layers[index].digest
            }
        }
        var result = entry(status, members, obstacle: nil)
        result.isDeclaredComplete = isDeclared
        result.item.files = layers.map { "\(name)/\($0.name)" }
        result.item.fileDigests = layers.map(\.digest)
        if settled != result.item.stamp { probe(&result, result.item.files) }
        return result
    }

    /// The lines of `layers`: a name in the folder, and perhaps a SHA-256.
    private func readLayers() -> Result<[(name: String, digest: Digest?)], SidecarFile.Problem> {
        let file = path.appending(InboxName.layersFile)
        func problem(_ message: String) -> SidecarFile.Problem {
            SidecarFile.Problem(obstacle: .content(code: InboxCode.invalidLayersFile, message: message))
        }
        do {
            let bytes = try AtomicFile.read(file, limit: Self.layersLimit) ?? []
            let lines = String(decoding: bytes, as: UTF8.self).split(
                omittingEmptySubsequences: false,
                whereSeparator: \.isNewline
            )
            var layers: [(name: String, digest: Digest?)] = []
            for (number, line) in lines.enumerated() {
                let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
                guard let first = words.first, !first.hasPrefix("#") else { continue }
                let place = "\(file), line \(number + 1)"
                guard !first.contains("/"), first != ".", first != "..", !InboxName.isIgnored(first) else {
                    return .failure(problem("\(place): '\(first)' is no file of the folder"))
                }
                guard words.count < 3 else {
                    return .failure(problem("\(place): expected a name and perhaps a SHA-256"))
                }
                guard words.count == 2 else {
                    layers.append((first, nil))
                    continue
                }
                let hex = words[1].hasPrefix("sha256:") ? words[1].dropFirst(7) : words[1][...]
                guard let digest = Digest(hex: hex.lowercased()) else {
                    return .failure(problem("\(place): '\(words[1])' is no SHA-256 (64 hex digits)"))
                }
                layers.append((first, digest))
            }
            return .success(layers)
        } catch { return .failure(problem("\(error)")) }
    }

    /// Asks who writes to the files: one writer keeps the whole folder.
    private func probe(_ entry: inout InboxScan.Entry, _ files: [String]) {
        var writers = File.Writers.none
        do throws(FileError) {
            for file in files {
                switch try File.regular(inbox.appending(FilePath(file).components)).writers() {
                case .some: writers = .some
                case .unknown where writers == .none: writers = .unknown
                default: break
                }
            }
            entry.writers = writers
        } catch {
            entry.obstacle = .content(code: InboxCode.unreadable, message: "\(error)")
        }
    }

    private func entry(
        _ status: FileStatus,
        _ members: [Member],
        obstacle: InboxScan.Obstacle?
    ) -> InboxScan.Entry {
        let listing = members.map { "\($0.name)\n\($0.stamp)\n" }.joined()
        let digest = Digest.sha256(of: listing.utf8)
        let size = members.reduce(0) { $0 &+ $1.stamp.size }
        // The stamp of a folder stands for all its files, so that any change to any of them changes it.
        let stamp = FileIdentity(
            inode: status.inode,
            size: size,
            modified: members.map(\.stamp.modified).max() ?? status.modified,
            changed: digest.bytes.prefix(8).reduce(0) { $0 << 8 | Int64($1) }
        )
        let item = InboxItem(
            name: name,
            stamp: stamp,
            identity: "inode=\(status.inode) files=\(digest.hex)",
            size: size,
            files: [],
            standing: .settled
        )
        return InboxScan.Entry(item: item, obstacle: obstacle, isFolder: true)
    }
}
