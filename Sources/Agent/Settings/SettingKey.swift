import CloudHypervisor
import Documents
import EROFS
import SystemPackage

/// One setting: its key, how it is read from a document, and how it is shown.
struct SettingKey: Sendable {
    /// `inbox.settle`
    let key: String
    /// Reads the value into the settings.
    let read: @Sendable (Node, inout Settings) throws(DocumentError) -> Void
    /// The value as a config file would hold it.
    let show: @Sendable (Settings) -> JSONValue

    /// `SLIPWAY_INBOX_FOLDER_SETTLE` for `inbox.folderSettle`.
    var environmentVariable: String {
        key.unicodeScalars.reduce(into: "SLIPWAY_") { name, scalar in
            switch scalar {
            case ".": name += "_"
            case "A"..."Z" where name.last?.isLowercase == true: name += "_\(scalar)"
            default: name.unicodeScalars.append(scalar)
            }
        }.uppercased()
    }

    /// `inbox`, `folderSettle`.
    var components: [String] { key.split(separator: ".").map(String.init) }
}

extension SettingKey {
    typealias Path<Value> = any WritableKeyPath<Settings, Value> & Sendable

    private static func setting<Value>(
        _ key: String,
        _ path: Path<Value>,
        show: @escaping @Sendable (Value) -> JSONValue,
        read: @escaping @Sendable (Node) throws(DocumentError) -> Value
    ) -> SettingKey {
        SettingKey(
            key: key,
            read: { (node, settings) throws(DocumentError) in settings[keyPath: path] = try read(node) },
            show: { show($0[keyPath: path]) }
        )
    }

    static func path(_ key: String, _ path: Path<FilePath>) -> SettingKey {
        setting(key, path, show: { .string($0.string) }) { node throws(DocumentError) in
            try node.filePath()
        }
    }

    static func optionalPath(_ key: String, _ path: Path<FilePath?>) -> SettingKey {
        setting(key, path, show: { .string($0?.string ?? "none") }) { node throws(DocumentError) in
            if case .string("none") = node.kind { return nil }
            return try node.filePath()
        }
    }

    static func paths(_ key: String, _ path: Path<[FilePath]>) -> SettingKey {
        setting(key, path, show: { .array($0.map { .string($0.string) }) }) {
            node throws(DocumentError) in
            var paths: [FilePath] = []
            for element in try node.array() { paths.append(try element.absolutePath()) }
            return paths
        }
    }

    static func duration(
        _ key: String,
        _ path: Path<Duration>,
        atLeast least: Duration = .zero
    ) -> SettingKey {
        setting(key, path, show: { .string(DurationText.text($0)) }) { node throws(DocumentError) in
            let duration = try node.duration()
            guard duration >= least else {
                throw node.error("at least \(DurationText.text(least)) is needed")
            }
            return duration
        }
    }

    static func size(
        _ key: String,
        _ path: Path<UInt64>,
        atLeast least: UInt64 = 0
    ) -> SettingKey {
        setting(key, path, show: { .string(ByteCount.text($0)) }) { node throws(DocumentError) in
            let size = try node.byteCount()
            guard size >= least else { throw node.error("at least \(ByteCount.text(least)) is needed") }
            guard size <= Int64.max else { throw node.error("no file can be that large") }
            return size
        }
    }

    static func optionalSize(_ key: String, _ path: Path<UInt64?>) -> SettingKey {
        setting(key, path, show: { .string($0.map(ByteCount.text) ?? "none") }) {
            node throws(DocumentError) in
            if case .string("none") = node.kind { return nil }
            return try node.byteCount()
        }
    }

    static func integer(
        _ key: String,
        _ path: Path<Int>,
        in range: ClosedRange<Int64>
    ) -> SettingKey {
        setting(key, path, show: { .integer(Int64($0)) }) { node throws(DocumentError) in
            Int(try node.integer(in: range))
        }
    }

    static func percentage(_ key: String, _ path: Path<Int>) -> SettingKey {
        setting(key, path, show: { .string("\($0)%") }) { node throws(DocumentError) in
            if case .string(let text) = node.kind, text.hasSuffix("%"), let value = Int(text.dropLast()),
                (1...100).contains(value)
            {
                return value
            }
            throw node.error("expected a percentage from 1% to 100%, such as 85%")
        }
    }

    static func bool(_ key: String, _ path: Path<Bool>) -> SettingKey {
        setting(key, path, show: { .bool($0) }) { node throws(DocumentError) in try node.bool() }
    }

    static func strings(_ key: String, _ path: Path<[String]>) -> SettingKey {
        setting(key, path, show: { .array($0.map { .string($0) }) }) { node throws(DocumentError) in
            try node.strings()
        }
    }

    static func choice<Choice: CaseIterable & RawRepresentable<String> & Sendable>(
        _ key: String,
        _ path: Path<Choice>
    ) -> SettingKey {
        setting(key, path, show: { .string($0.rawValue) }) { node throws(DocumentError) in
            try node.choice(of: Choice.self)
        }
    }

    static func guestKernel(_ key: String, _ path: Path<GuestKernel>) -> SettingKey {
        setting(key, path, show: { .string($0.description) }) { node throws(DocumentError) in
            guard let version = GuestKernel(try node.string()) else {
                throw node.error("expected a Linux release such as \"6.1\"")
            }
            guard version >= .oldest else {
                throw node.error("EROFS needs Linux \(GuestKernel.oldest) or later")
            }
            return version
        }
    }

    static func hypervisorVersion(_ key: String, _ path: Path<HypervisorVersion>) -> SettingKey {
        setting(key, path, show: { .string($0.minor == 0 ? "\($0.major)" : $0.description) }) {
            node throws(DocumentError) in
            guard let version = HypervisorVersion(try node.string()) else {
                throw node.error("expected a release of Cloud Hypervisor such as \"51\"")
            }
            guard version >= .oldestSupported else {
                throw node.error(
                    "configs are written for Cloud Hypervisor \(HypervisorVersion.oldestSupported) or later"
                )
            }
            return version
        }
    }

    static func profiles(_ key: String, _ path: Path<[String: Settings.Boot.Profile]>) -> SettingKey {
        setting(
            key,
            path,
            show: { profiles in
                .object(
                    profiles.mapValues {
                        ["kernel": .string($0.kernel.string), "initramfs": .string($0.initramfs.string)]
                    }
                )
            }
        ) { node throws(DocumentError) in
            var profiles: [String: Settings.Boot.Profile] = [:]
            for member in try node.members() {
                var reader = try member.value.object()
                profiles[member.key] = Settings.Boot.Profile(
                    kernel: try reader.required("kernel").absolutePath(),
                    initramfs: try reader.required("initramfs").absolutePath()
                )
                try reader.finish()
            }
            return profiles
        }
    }
}

extension Node {
    /// A path, relative or absolute.
    fileprivate func filePath() throws(DocumentError) -> FilePath {
        let text = try string()
        guard !text.isEmpty else { throw error("a path must not be empty") }
        guard text.firstControlCharacter() == nil else {
            throw error("a path must not hold control characters")
        }
        return FilePath(text)
    }

    fileprivate func absolutePath() throws(DocumentError) -> FilePath {
        let path = try filePath()
        guard path.isAbsolute else { throw error("expected an absolute path, found '\(path)'") }
        return path
    }
}
