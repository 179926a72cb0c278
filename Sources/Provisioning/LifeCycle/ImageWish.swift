public import OCI
import Store

/// An image that requests name by its registry, so that it may be pulled for them.
public struct ImageWish: Sendable, Hashable {
    /// The reference, with its registry written out.
    public var reference: Reference
    /// Whether a VM that has no config yet waits for it.
    public var isNeeded: Bool
    /// VMs without a config that want the registry asked although the store may have the image, sorted.
    public var asking: [String]

    /// Creates a wish.
    public init(reference: Reference, isNeeded: Bool, asking: [String] = []) {
        self.reference = reference
        self.isNeeded = isNeeded
        self.asking = asking
    }
}

/// How far the pull of a wished image has come.
public struct PullStanding: Sendable, Hashable {
    /// VMs for which the registry was asked.
    public var answered: Set<String>
    /// What there is to say while it is not done.
    public var message: String?

    /// Creates a value.
    public init(answered: Set<String> = [], message: String? = nil) {
        self.answered = answered
        self.message = message
    }
}

extension VMObservation {
    /// The images that requests want from registries, by reference; nil while it cannot be told, because requests cannot
    /// be read or may still be being written.
    ///
    /// A request's `pull` counts for the first config of its VM only. A short name may mean an image of this host, and
    /// is never pulled.
    var wishes: [ImageWish]? {
        guard unavailable == nil, files.allSatisfy({ $0.content != .settling }) else { return nil }
        let bound = Set(bindings.filter { !$0.isRetired }.map(\.name))
        var wishes: [String: ImageWish] = [:]
        // Many VMs have the same image, and taking references apart is dear.
        var references: [String: Reference?] = [:]
        for request in files.compactMap(\.request) where request.pull != .never {
            let known = references[request.image]
            let parsed = known ?? Self.pullable(request.image)
            if known == nil { references[request.image] = .some(parsed) }
            guard let reference = parsed else { continue }
            let key = reference.description
            var wish = wishes[key] ?? ImageWish(reference: reference, isNeeded: false)
            if !bound.contains(request.name) {
                if request.pull == .always { wish.asking = (wish.asking + [request.name]).sorted() }
                let isMissing = images[request.image] ?? .missing == .missing
                wish.isNeeded = wish.isNeeded || isMissing || request.pull == .always
            }
            wishes[key] = wish
        }
        return wishes.values.sorted { $0.reference < $1.reference }
    }

    /// The reference that a request may have pulled; nil for a short name, an image of this host, and a digest.
    static func pullable(_ image: String) -> Reference? {
        guard Digest(image) == nil, !Reference.isShortName(image) else { return nil }
        guard let reference = try? Reference(parsing: image), !reference.isLocal else { return nil }
        return reference
    }
}
