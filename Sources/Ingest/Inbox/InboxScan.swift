import Host
import OCI
import SystemPackage

/// One look at the inbox: names, statuses, sidecars, image folders. Blocking; changes nothing.
struct InboxScan: Sendable {
    /// An entry as found, before time is taken into account.
    struct Entry: Sendable {
        var item: InboxItem
        /// What stands in its way whatever its age; nil for nothing.
        var obstacle: Obstacle?
        /// Who else writes to it; `.unknown` where that was not asked.
        var writers: File.Writers = .unknown
        /// Whether a `layers` file says that it is complete.
        var isDeclaredComplete = false
        /// Whether it is a folder.
        var isFolder = false
    }

    /// What stands in an entry's way.
    enum Obstacle: Sendable {
        /// Never an image, whatever happens to its content: said at once.
        case kind(code: String, message: String)
        /// Its content is wrong: said once it has settled, since it may still be being written.
        case content(code: String, message: String)
        /// It lacks something.
        case incomplete(message: String)
        /// It does not look like an image.
        case notAnImage(message: String)
    }

    /// How the folder was found.
    enum Folder: Sendable, Equatable {
        case present(inode: UInt64)
        case absent
        case refused(String)
    }

    /// The inbox.
    var path: FilePath
    var allowsWorldWritable = false
    /// Items that are known to be settled as they are: they are not opened.
    var settled: [String: FileIdentity] = [:]

    /// The folder and its entries, sorted by name.
    func run() -> (folder: Folder, entries: [Entry]) {
        do throws(FileError) {
            // The inbox itself may be a symbolic link: it belongs to who configured it.
            let status = try File(path, .readOnly, options: .directory).status()
            if status.permissions.contains(.otherWrite) && !allowsWorldWritable {
                return (
                    .refused(
                        "\(path) may be written by everyone: chmod o-w, or set inbox.allowWorldWritable"
                    ), []
                )
            }
            let found = try Directory.entries(in: path)
            let sidecars = Set(found.lazy.map(\.name).filter(InboxName.isSidecar))
            let entries = found.compactMap {
                $0.isText ? entry($0.name, $0.status, sidecars: sidecars) : undecodable($0)
            }
            return (.present(inode: status.inode), entries.sorted { $0.item.name < $1.item.name })
        } catch {
            return error.errno == .noSuchFileOrDirectory ? (.absent, []) : (.refused("\(error)"), [])
        }
    }

    /// One entry by its name; nil when it is not there, or is none of the inbox's business.
    func entry(_ name: String) -> Entry? {
        do throws(FileError) {
            guard let status = try FileStatus.of(path.appending(name)) else { return nil }
            return entry(name, status, sidecars: [])
        } catch {
            return obstructed(name, Self.noStamp, .kind(code: InboxCode.unreadable, message: "\(error)"))
        }
    }

    /// One entry; nil when it is none of the inbox's business.
    private func entry(_ name: String, _ status: FileStatus, sidecars: Set<String>) -> Entry? {
        if InboxName.isIgnored(name) || InboxName.isSidecar(name) { return nil }
        let stamp = FileIdentity(status)
        switch status.kind {
        case .regular:
            let hasSidecar = !sidecars.isEmpty && sidecars.contains(name + InboxName.sidecarEnding)
            return file(name, stamp, hasSidecar: hasSidecar)
        case .directory:
            guard InboxName.isImageFolder(name) else {
                let message = "a folder is an image only under a name that ends in \(InboxName.folderEnding)"
                return obstructed(name, stamp, .notAnImage(message: message))
            }
            return ImageFolderScan(inbox: path, name: name, settled: settled[name]).run(status)
        default:
            let message =
                "\(path.appending(name)) is \(status.kind.words), not a regular file: put the file itself here"
            return obstructed(name, stamp, .kind(code: InboxCode.notARegularFile, message: message))
        }
    }

    private static let noStamp = FileIdentity(inode: 0, size: 0, modified: 0, changed: 0)

    /// An entry whose name is no text.
    private func undecodable(_ entry: Directory.Entry) -> Entry {
        let message = "'\(entry.name)' is no UTF-8: rename it"
        return obstructed(
            entry.name,
            FileIdentity(entry.status),
            .kind(code: InboxCode.invalidReference, message: message)
        )
    }

    private func obstructed(_ name: String, _ stamp: FileIdentity, _ obstacle: Obstacle) -> Entry {
        let item = InboxItem(
            name: name,
            stamp: stamp,
            identity: stamp.description,
            size: 0,
            files: [],
            standing: .settled
        )
        return Entry(item: item, obstacle: obstacle)
    }

    private func file(_ name: String, _ stamp: FileIdentity, hasSidecar: Bool) -> Entry {
        var item = InboxItem(
            name: name,
            stamp: stamp,
            identity: stamp.description,
            size: stamp.size,
            files: [name],
            standing: .settled
        )
        var entry = Entry(item: item)
        if hasSidecar {
            let file = path.appending(name + InboxName.sidecarEnding)
            switch SidecarFile.read(file, for: name) {
            case .success(let digest): item.promisedDigest = digest
            case .failure(let problem): entry.obstacle = problem.obstacle
            }
            item.fileDigests = [item.promisedDigest]
            entry.item = item
        }
        guard settled[name] != stamp else { return entry }
        do throws(FileError) {
            let file = try File.regular(path.appending(name))
            entry.writers = try file.writers()
            if entry.obstacle == nil, !InboxName.promisesTar(name), try !TarSignature.isPresent(in: file) {
                entry.obstacle = .notAnImage(
                    message: "neither its name nor its content is that of a tar file"
                )
            }
        } catch {
            entry.obstacle = .kind(code: InboxCode.unreadable, message: "\(error)")
        }
        return entry
    }
}

/// Reads a sidecar from its file.
enum SidecarFile {
    /// Why it does not tell.
    struct Problem: Error {
        var obstacle: InboxScan.Obstacle
    }

    /// The digest that the sidecar promises for the file `name`.
    static func read(_ path: FilePath, for name: String) -> Result<Digest?, Problem> {
        do {
            // One that went away since the folder was listed promises nothing.
            guard let bytes = try AtomicFile.read(path, limit: Sidecar.sizeLimit) else {
                return .success(nil)
            }
            return .success(try Sidecar.digest(in: String(decoding: bytes, as: UTF8.self), for: name))
        } catch let problem as Sidecar.Problem where problem == .empty {
            return .failure(
                Problem(obstacle: .incomplete(message: "\(path) is empty: waiting for the digest in it"))
            )
        } catch is Sidecar.Problem {
            let message =
                "\(path) holds no SHA-256 for \(name): write it with 'sha256sum \(name)', or remove it"
            return .failure(Problem(obstacle: .content(code: InboxCode.invalidSidecar, message: message)))
        } catch {
            return .failure(Problem(obstacle: .content(code: InboxCode.invalidSidecar, message: "\(error)")))
        }
    }
}

/// Tells a tar file, compressed or not, by its first bytes.
enum TarSignature {
    /// gzip (RFC 1952), zstd (RFC 8878), xz, bzip2, and LZ4's frame format.
    private static let magics: [[UInt8]] = [
        [0x1F, 0x8B], [0x28, 0xB5, 0x2F, 0xFD], [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], [0x42, 0x5A, 0x68],
        [0x04, 0x22, 0x4D, 0x18],
    ]

    /// Whether the file starts like one.
    static func isPresent(in file: File) throws(FileError) -> Bool {
        var block = [UInt8](repeating: 0, count: 512)
        let outcome = block.withUnsafeMutableBytes { buffer in
            Result { () throws(FileError) in try file.read(into: buffer, at: 0) }
        }
        let head = block.prefix(try outcome.get())
        if magics.contains(where: { head.starts(with: $0) }) { return true }
        // The magic of POSIX.1-1988 and of GNU tar, which differ in what follows.
        return head.count == 512 && head[257..<262].elementsEqual("ustar".utf8)
    }
}

extension FileKind {
    /// The kind in words that fit after "is".
    var words: String {
        switch self {
        case .regular: "a regular file"
        case .directory: "a folder"
        case .symbolicLink: "a symbolic link"
        case .characterDevice: "a character device"
        case .blockDevice: "a block device"
        case .fifo: "a FIFO"
        case .socket: "a socket"
        }
    }
}
