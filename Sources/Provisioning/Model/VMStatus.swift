public import Documents
public import OCI

/// What is said of one VM, in `status.json`.
public struct VMStatus: Sendable, Hashable {
    /// What is said of its image.
    public struct Image: Sendable, Hashable {
        /// As the request writes it.
        public var reference: String
        /// What the reference means now; nil when the store has no such image.
        public var wanted: Digest?
        /// What the VM is bound to; nil before its first config.
        public var bound: Digest?

        /// Creates a value.
        public init(reference: String, wanted: Digest? = nil, bound: Digest? = nil) {
            self.reference = reference
            self.wanted = wanted
            self.bound = bound
        }
    }

    /// How the VM has its image's layers.
    public struct Layers: Sendable, Hashable {
        /// `disks`, one for each layer, or `merged`, one for all of them.
        public var attachment: String
        /// How many disks that makes.
        public var disks: Int
        /// Why, in words.
        public var reason: String

        /// Creates a value.
        public init(attachment: String, disks: Int, reason: String) {
            self.attachment = attachment
            self.disks = disks
            self.reason = reason
        }
    }

    /// The version of the form.
    public static let schema: Int64 = 1

    /// The VM's name, or `.retired/NAME-TIME`; the folder's, not part of the file.
    public var name: String
    /// Where it stands.
    public var phase: VMPhase
    /// Why.
    public var reason: VMReason
    /// Why, in words.
    public var message: String
    /// SHA-256 of the request that was judged.
    public var requestDigest: Digest?
    /// Its image.
    public var image: Image?
    /// How its config attaches the layers; nil when there is none.
    public var layers: Layers?
    /// SHA-256 of `config.json`; nil when there is none.
    public var configDigest: Digest?
    /// Whether a hypervisor holds a lock on its disk.
    public var running = false
    /// What may keep it from booting, in words.
    public var warnings: [String] = []
    /// When this was written (RFC 3339, UTC); empty before it is.
    public var updated = ""

    /// Creates a status.
    public init(name: String, phase: VMPhase, reason: VMReason, message: String) {
        self.name = name
        self.phase = phase
        self.reason = reason
        self.message = message
    }

    /// Whether two say the same, whenever they were written.
    public func saysTheSame(as other: VMStatus) -> Bool {
        var copy = other
        copy.updated = updated
        return self == copy
    }
}

extension VMStatus {
    /// The content of `status.json`.
    public var json: JSONValue {
        var value: JSONValue = [
            "schema": .integer(Self.schema), "phase": .string(phase.rawValue),
            "reason": .string(reason.rawValue),
            "message": .string(message), "running": .bool(running), "updated": .string(updated),
        ]
        value["requestDigest"] = requestDigest.map { .string($0.description) }
        value["configDigest"] = configDigest.map { .string($0.description) }
        if !warnings.isEmpty { value["warnings"] = .array(warnings.map(JSONValue.string)) }
        if let layers {
            value["layers"] = [
                "attachment": .string(layers.attachment), "disks": .integer(Int64(layers.disks)),
                "reason": .string(layers.reason),
            ]
        }
        if let image {
            var member: JSONValue = ["reference": .string(image.reference)]
            member["wanted"] = image.wanted.map { .string($0.description) }
            member["bound"] = image.bound.map { .string($0.description) }
            value["image"] = member
        }
        return value
    }

    /// Reads the content of a `status.json`; nil when it is none of this form.
    public init?(name: String, json: JSONValue) {
        guard json["schema"]?.integer == Self.schema,
            let phase = json["phase"]?.string.flatMap(VMPhase.init(rawValue:)),
            let reason = json["reason"]?.string.flatMap(VMReason.init(rawValue:)),
            let message = json["message"]?.string, let updated = json["updated"]?.string
        else { return nil }
        self.init(name: name, phase: phase, reason: reason, message: message)
        self.updated = updated
        running = json["running"]?.bool ?? false
        warnings = json["warnings"]?.array?.compactMap(\.string) ?? []
        requestDigest = json["requestDigest"]?.string.flatMap { Digest($0) }
        configDigest = json["configDigest"]?.string.flatMap { Digest($0) }
        if let layers = json["layers"], let attachment = layers["attachment"]?.string,
            let disks = layers["disks"]?.integer, let reason = layers["reason"]?.string
        {
            self.layers = Layers(attachment: attachment, disks: Int(clamping: disks), reason: reason)
        }
        if let image = json["image"], let reference = image["reference"]?.string {
            self.image = Image(
                reference: reference,
                wanted: image["wanted"]?.string.flatMap { Digest($0) },
                bound: image["bound"]?.string.flatMap { Digest($0) }
            )
        }
    }
}
