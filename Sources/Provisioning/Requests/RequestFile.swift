import Documents
import Host
public import OCI
import SystemPackage

/// A file of the requests folder, judged.
public struct RequestFile: Sendable, Hashable {
    /// Why a file is no request that can be followed.
    public struct Problem: Error, Sendable, Hashable {
        /// The code.
        public var reason: VMReason
        /// In words, with the file and the place.
        public var message: String

        /// Creates a problem.
        public init(reason: VMReason, message: String) {
            self.reason = reason
            self.message = message
        }
    }

    /// What is known of its content.
    public enum Content: Sendable, Hashable {
        /// Nobody read it yet: it may still be being written.
        case settling
        /// A request.
        case request(VMRequest)
        /// Nothing that can be followed.
        case problem(Problem)
    }

    /// Its name in the folder.
    public var name: String
    /// SHA-256 of its bytes; nil when they were not read.
    public var digest: Digest?
    /// What is known of its content.
    public var content: Content

    /// Creates a value.
    public init(name: String, digest: Digest? = nil, content: Content) {
        self.name = name
        self.digest = digest
        self.content = content
    }

    /// The name without its suffix.
    public var stem: String { Self.format(of: name)?.stem ?? name }

    /// The request in it, if there is one.
    public var request: VMRequest? { if case .request(let request) = content { request } else { nil } }
}

extension RequestFile {
    /// The largest file that is read, in bytes.
    public static let sizeLimit = 1 << 20

    /// The format that a file's name promises; nil for files that are no requests: other suffixes, hidden files, and
    /// what editors leave beside the file they write (`web.yaml~`, `#web.yaml#`, `.web.yaml.swp`).
    static func format(of name: String) -> (stem: String, format: Document.Format)? {
        guard !name.hasPrefix("."), !name.hasPrefix("#") else { return nil }
        for (suffix, format) in [(".json", Document.Format.json), (".yaml", .yaml), (".yml", .yaml)]
        where name.hasSuffix(suffix) && name.utf8.count > suffix.utf8.count {
            return (String(name.dropLast(suffix.count)), format)
        }
        return nil
    }

    /// Parses a file's bytes.
    ///
    /// - Parameters:
    ///   - path: the file, for messages.
    ///   - name: its name in the folder.
    ///   - defaults: what the settings say where the request says nothing.
    static func parse(
        _ bytes: [UInt8],
        path: FilePath,
        name: String,
        defaults: VMRequest? = nil
    ) -> RequestFile {
        let digest = Digest.sha256(of: bytes)
        guard let (stem, format) = format(of: name) else {
            let problem = Problem(
                reason: .requestInvalid,
                message: "\(path): a request's name ends in .json, .yaml or .yml"
            )
            return RequestFile(name: name, digest: digest, content: .problem(problem))
        }
        do {
            let document = try Document.parse(bytes, file: path.string, format: format)
            return RequestFile(
                name: name,
                digest: digest,
                content: .request(try VMRequest(document, stem: stem, defaults: defaults))
            )
        } catch {
            let problem = Problem(reason: .requestInvalid, message: error.description)
            return RequestFile(name: name, digest: digest, content: .problem(problem))
        }
    }

    /// Reads and parses a file that somebody names, whether it is in the folder or not.
    static func read(_ path: FilePath, defaults: VMRequest?) throws(FileError) -> RequestFile {
        guard let bytes = try AtomicFile.read(path, limit: sizeLimit) else {
            throw FileError("read", path, .noSuchFileOrDirectory)
        }
        return parse(bytes, path: path, name: path.lastComponent?.string ?? "", defaults: defaults)
    }
}
