import Host
import OCI
import SystemPackage

/// The requests folder as it is remembered from look to look: what did not change is not read again.
struct RequestsFolder: Sendable {
    /// What a look found.
    struct Listing: Sendable {
        /// Every request file, by name.
        var files: [RequestFile]
        /// When a file that is settling may be ready, on the monotonic clock; nil when none is.
        var settlesAt: Int64?
    }

    /// Why the folder tells nothing: its VMs stay as they are.
    struct Unavailable: Error, Sendable, Hashable {
        /// In words.
        var message: String
    }

    private struct Known: Sendable {
        var identity: FileIdentity
        var file: RequestFile
    }

    private let path: FilePath
    private let allowsWorldWritable: Bool
    private let defaults: VMRequest?
    private var tracker: SettleTracker
    private var known: [String: Known] = [:]
    /// What the last look listed, if every file of it is known.
    private var files: [RequestFile] = []

    init(
        _ path: FilePath,
        settle: Duration,
        allowsWorldWritable: Bool,
        defaults: VMRequest? = nil
    ) {
        self.path = path
        self.defaults = defaults
        self.allowsWorldWritable = allowsWorldWritable
        tracker = SettleTracker(settle: settle)
    }

    /// An event said that a file was renamed into place or closed by its writer.
    mutating func noteFinished(_ name: String, now: Int64) { tracker.noteFinished(name, now: now) }

    /// The file as last read, if it was.
    func file(named name: String) -> RequestFile? { known[name]?.file }

    /// An event said that a file was renamed into place.
    mutating func noteComplete(_ name: String, now: Int64) { tracker.noteComplete(name, now: now) }

    /// Looks at every file, reading those that are new or changed and settled.
    ///
    /// Where nothing changed, the listing holds the very array of the last one.
    mutating func look(now: Int64) throws(Unavailable) -> Listing {
        let entries = try list()
        let isUnchanged = entries.allSatisfy { known[$0.name]?.identity == $0.identity }
        if isUnchanged, entries.count == files.count { return Listing(files: files) }
        var listing = Listing(files: [])
        listing.files.reserveCapacity(entries.count)
        for (name, identity) in entries.sorted(by: { $0.name < $1.name }) {
            if let known = known[name], known.identity == identity {
                listing.files.append(known.file)
            } else if let file = look(at: name, now: now, settlesAt: &listing.settlesAt) {
                listing.files.append(file)
            }
        }
        let present = Set(entries.map(\.name))
        known = known.filter { present.contains($0.key) }
        tracker.retain(only: present)
        // A file that was not read, because it settles or cannot be, has to be looked at again.
        files = listing.files.count == known.count ? listing.files : []
        return listing
    }

    /// The folder as it is remembered of one file alone: to be looked at on another thread without a copy of all files.
    func part(_ name: String) -> RequestsFolder {
        var part = self
        part.known = [:]
        part.known[name] = known[name]
        part.tracker = tracker.part(name)
        part.files = []
        return part
    }

    /// Takes over what a part has found of its file.
    mutating func adopt(_ part: RequestsFolder, _ name: String) {
        known[name] = part.known[name]
        files = []
    }

    /// Looks at one file; nil when it is no request, or there is none.
    mutating func look(only name: String, now: Int64) -> RequestFile? {
        guard RequestFile.format(of: name) != nil else { return nil }
        var settlesAt: Int64?
        files = []
        return look(at: name, now: now, settlesAt: &settlesAt)
    }

    private func list() throws(Unavailable) -> [(name: String, identity: FileIdentity)] {
        do {
            guard let status = try FileStatus.of(path) else {
                throw Unavailable(message: "the requests folder \(path) is not there; VMs stay as they are")
            }
            guard status.kind == .directory else {
                throw Unavailable(message: "\(path) is no folder of requests; VMs stay as they are")
            }
            guard allowsWorldWritable || !status.permissions.contains(.otherWrite) else {
                throw Unavailable(
                    message:
                        "everyone may write to the requests folder \(path): run `chmod o-w \(path)`, or allow it "
                        + "by the setting vms.allowWorldWritable; VMs stay as they are"
                )
            }
            let folder = try OpenFolder(path)
            var entries: [(name: String, identity: FileIdentity)] = []
            for name in try folder.names() where known[name] != nil || RequestFile.format(of: name) != nil {
                guard let status = try folder.status(name) else { continue }
                entries.append((name, FileIdentity(status)))
            }
            return entries
        } catch let error as Unavailable {
            throw error
        } catch {
            throw Unavailable(message: "the requests folder cannot be read: \(error); VMs stay as they are")
        }
    }

    /// A file's state; nil when it went away meanwhile.
    private mutating func look(at name: String, now: Int64, settlesAt: inout Int64?) -> RequestFile? {
        let file = path.appending(name)
        do {
            guard let status = try FileStatus.of(file) else { return nil }
            let identity = FileIdentity(status)
            if let known = known[name], known.identity == identity { return known.file }
            guard status.kind == .regular else {
                return unreadable(
                    name,
                    "\(file) is no regular file; requests are neither links nor devices",
                    identity
                )
            }
            guard status.size <= UInt64(RequestFile.sizeLimit) else {
                return unreadable(
                    name,
                    "\(file) has \(status.size) bytes; a request has at most 1 MiB",
                    identity
                )
            }
            let opened = try File.regular(file)
            switch tracker.observe(name, identity: identity, writers: try opened.writers(), now: now) {
            case .wait(let until):
                settlesAt = min(settlesAt ?? until, until)
                // What was read before the edit began still holds, so that the VM is left in peace.
                return known[name]?.file ?? RequestFile(name: name, content: .settling)
            case .settled:
                return try read(name, file, identity, now: now, settlesAt: &settlesAt)
            }
        } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        } catch {
            // Not remembered: permissions may change without the file's identity doing so.
            known[name] = nil
            let problem = RequestFile.Problem(reason: .requestUnreadable, message: "\(error)")
            return RequestFile(name: name, content: .problem(problem))
        }
    }

    private mutating func read(
        _ name: String,
        _ path: FilePath,
        _ identity: FileIdentity,
        now: Int64,
        settlesAt: inout Int64?
    ) throws(FileError) -> RequestFile? {
        guard let bytes = try AtomicFile.read(path, limit: RequestFile.sizeLimit) else { return nil }
        guard let after = try FileStatus.of(path), FileIdentity(after) == identity else {
            settlesAt = now
            return known[name]?.file ?? RequestFile(name: name, content: .settling)
        }
        let file = RequestFile.parse(bytes, path: path, name: name, defaults: defaults)
        known[name] = Known(identity: identity, file: file)
        return file
    }

    private mutating func unreadable(_ name: String, _ message: String, _ identity: FileIdentity)
        -> RequestFile
    {
        let file = RequestFile(
            name: name,
            content: .problem(.init(reason: .requestUnreadable, message: message))
        )
        known[name] = Known(identity: identity, file: file)
        return file
    }
}
