extension ImageConfig: Codable {
    private enum CodingKeys: String, CodingKey {
        case created, author, architecture, os, variant, config, rootfs, history
        case osVersion = "os.version"
        case osFeatures = "os.features"
    }

    private enum RootKeys: String, CodingKey {
        case type
        case diffIDs = "diff_ids"
    }

    /// Decodes a config; Docker writes null for what is empty.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        created = try container.decodeIfPresent(String.self, forKey: .created)
        author = try container.decodeIfPresent(String.self, forKey: .author)
        architecture = try container.decodeIfPresent(String.self, forKey: .architecture) ?? ""
        os = try container.decodeIfPresent(String.self, forKey: .os) ?? ""
        variant = try container.decodeIfPresent(String.self, forKey: .variant)
        osVersion = try container.decodeIfPresent(String.self, forKey: .osVersion)
        osFeatures = try container.decodeIfPresent([String].self, forKey: .osFeatures)
        config = try container.decodeIfPresent(Execution.self, forKey: .config) ?? Execution()
        history = try container.decodeIfPresent([HistoryEntry].self, forKey: .history) ?? []

        guard container.contains(.rootfs) else {
            throw MalformedDocument(
                kind: Self.kind,
                problem: "'rootfs' is missing: this is an artifact, not an image that boots"
            )
        }
        let root = try container.nestedContainer(keyedBy: RootKeys.self, forKey: .rootfs)
        let type = try root.decodeIfPresent(String.self, forKey: .type) ?? "layers"
        guard type == "layers" else {
            throw MalformedDocument(
                kind: Self.kind,
                path: "rootfs.type",
                problem: "it is '\(type)', and only 'layers' is known"
            )
        }
        diffIDs = try root.decodeIfPresent([Digest].self, forKey: .diffIDs) ?? []
    }

    /// Encodes a config.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(created, forKey: .created)
        try container.encodeIfPresent(author, forKey: .author)
        try container.encode(architecture, forKey: .architecture)
        try container.encode(os, forKey: .os)
        try container.encodeIfPresent(variant, forKey: .variant)
        try container.encodeIfPresent(osVersion, forKey: .osVersion)
        try container.encodeIfPresent(osFeatures, forKey: .osFeatures)
        try container.encode(config, forKey: .config)
        var root = container.nestedContainer(keyedBy: RootKeys.self, forKey: .rootfs)
        try root.encode("layers", forKey: .type)
        try root.encode(diffIDs, forKey: .diffIDs)
        if !history.isEmpty { try container.encode(history, forKey: .history) }
    }
}

extension ImageConfig.Execution {
    /// Reads what a container of an image runs from the image's config, and nothing else of it.
    public init(imageConfig json: [UInt8]) throws(MalformedDocument) {
        struct Document: Decodable { var config: ImageConfig.Execution? }
        self =
            try MalformedDocument.decode(Document.self, kind: ImageConfig.kind, from: json).config ?? .init()
    }
}

extension ImageConfig.Execution: Codable {
    private enum CodingKeys: String, CodingKey {
        case user = "User"
        case entrypoint = "Entrypoint"
        case cmd = "Cmd"
        case env = "Env"
        case workingDir = "WorkingDir"
        case exposedPorts = "ExposedPorts"
        case volumes = "Volumes"
        case labels = "Labels"
        case stopSignal = "StopSignal"
    }

    /// The value of a member whose name is all that counts: `"80/tcp": {}`.
    private struct Empty: Codable {}

    /// Decodes what a container runs; null is the same as absent.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func keys(_ key: CodingKeys) throws -> [String] {
            try container.decodeIfPresent([String: Empty?].self, forKey: key)?.keys.sorted() ?? []
        }
        user = try container.decodeIfPresent(String.self, forKey: .user) ?? ""
        entrypoint = try container.decodeIfPresent([String].self, forKey: .entrypoint) ?? []
        cmd = try container.decodeIfPresent([String].self, forKey: .cmd) ?? []
        env = try container.decodeIfPresent([String].self, forKey: .env) ?? []
        workingDir = try container.decodeIfPresent(String.self, forKey: .workingDir) ?? ""
        exposedPorts = try keys(.exposedPorts)
        volumes = try keys(.volumes)
        labels = try container.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
        stopSignal = try container.decodeIfPresent(String.self, forKey: .stopSignal)
    }

    /// Encodes what is there.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        func encode<Value: Collection & Encodable>(_ value: Value, _ key: CodingKeys) throws {
            if !value.isEmpty { try container.encode(value, forKey: key) }
        }
        func encodeKeys(_ names: [String], _ key: CodingKeys) throws {
            try encode(Dictionary(uniqueKeysWithValues: Set(names).map { ($0, Empty()) }), key)
        }
        try encode(user, .user)
        try encode(entrypoint, .entrypoint)
        try encode(cmd, .cmd)
        try encode(env, .env)
        try encode(workingDir, .workingDir)
        try encodeKeys(exposedPorts, .exposedPorts)
        try encodeKeys(volumes, .volumes)
        try encode(labels, .labels)
        try container.encodeIfPresent(stopSignal, forKey: .stopSignal)
    }
}
