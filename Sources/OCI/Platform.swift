/// What an image runs on (image-spec, image-index.md, `platform`): an operating system, an architecture in Go's words,
/// and a variant of it.
public struct Platform: Hashable, Sendable, Codable {
    /// `linux`.
    public var os: String
    /// `amd64`, `arm64`.
    public var architecture: String
    /// `v8`; nil when none is written.
    public var variant: String?
    /// The version of the operating system; Windows images have one.
    public var osVersion: String?
    /// Features of the operating system that the image needs.
    public var osFeatures: [String]?

    enum CodingKeys: String, CodingKey {
        case os, architecture, variant
        case osVersion = "os.version"
        case osFeatures = "os.features"
    }

    /// Creates a platform as it is written; an empty variant is none.
    public init(
        os: String,
        architecture: String,
        variant: String? = nil,
        osVersion: String? = nil,
        osFeatures: [String]? = nil
    ) {
        self.os = os
        self.architecture = architecture
        self.variant = variant?.isEmpty == true ? nil : variant
        self.osVersion = osVersion
        self.osFeatures = osFeatures
    }

    /// The platform of this host.
    public static let host: Platform = {
        #if arch(x86_64)
            Platform(os: "linux", architecture: "amd64")
        #elseif arch(arm64)
            Platform(os: "linux", architecture: "arm64")
        #else
            #error("Cloud Hypervisor runs on x86-64 and arm64 hosts here")
        #endif
    }()
}

extension Platform: LosslessStringConvertible {
    /// Parses `OS/ARCHITECTURE[/VARIANT]`, or an architecture alone for Linux, and normalises it; nil for anything else.
    public init?(_ description: String) {
        let parts = description.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isWellFormed = parts.allSatisfy { part in
            !part.isEmpty && part.allSatisfy { $0.isAlphanumeric || "_.-".contains($0) }
        }
        guard isWellFormed else { return nil }
        switch parts.count {
        case 1:
            let platform = Platform(os: "linux", architecture: parts[0]).normalized
            guard Self.knownArchitectures.contains(platform.architecture) else { return nil }
            self = platform
        case 2: self = Platform(os: parts[0], architecture: parts[1]).normalized
        case 3: self = Platform(os: parts[0], architecture: parts[1], variant: parts[2]).normalized
        default: return nil
        }
    }

    /// `linux/arm64/v8`.
    public var description: String { "\(os)/\(architecture)" + (variant.map { "/\($0)" } ?? "") }

    /// Go's names of architectures that containers are built for.
    private static let knownArchitectures: Set<String> = [
        "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64",
        "s390x",
    ]
}

extension Platform {
    /// The platform in containerd's spelling (`platforms/database.go`): aliases such as `x86_64` and `aarch64` resolved,
    /// a variant that is the architecture's default left out, and `arm` always with one.
    public var normalized: Platform {
        var result = self
        result.os = os.lowercased() == "macos" ? "darwin" : os.lowercased()
        let (architecture, variant) = Self.normalized(architecture.lowercased(), variant?.lowercased() ?? "")
        result.architecture = architecture
        result.variant = variant.isEmpty ? nil : variant
        return result
    }

    private static func normalized(_ architecture: String, _ variant: String) -> (String, String) {
        switch (architecture, variant) {
        case ("i386", _): ("386", "")
        case ("x86_64", "v1"), ("x86-64", "v1"), ("amd64", "v1"): ("amd64", "")
        case ("x86_64", _), ("x86-64", _): ("amd64", variant)
        case ("aarch64", "8"), ("aarch64", "v8"), ("aarch64", "v8.0"), ("arm64", "8"), ("arm64", "v8"),
            ("arm64", "v8.0"):
            ("arm64", "")
        case ("aarch64", "9"), ("aarch64", "9.0"), ("aarch64", "v9.0"), ("arm64", "9"), ("arm64", "9.0"),
            ("arm64", "v9.0"):
            ("arm64", "v9")
        case ("aarch64", _): ("arm64", variant)
        case ("armhf", _): ("arm", "v7")
        case ("armel", _): ("arm", "v6")
        case ("arm", ""), ("arm", "7"): ("arm", "v7")
        case ("arm", "5"), ("arm", "6"), ("arm", "8"): ("arm", "v\(variant)")
        default: (architecture, variant)
        }
    }

    /// Whether an image of a platform runs here, as containerd's `platforms.Only` says.
    public func matches(_ candidate: Platform) -> Bool { preference(for: candidate) != nil }

    /// How well an image of a platform suits this one: 0 is exact, more is worse, nil does not run.
    ///
    /// A variant runs what is made for the lower ones, `amd64` runs `386`, and `arm64` runs 32-bit `arm`.
    public func preference(for candidate: Platform) -> Int? {
        let wanted = normalized
        let offered = candidate.normalized
        guard wanted.os == offered.os else { return nil }
        return wanted.runnable.firstIndex { $0 == (offered.architecture, offered.variant ?? "") }
    }

    /// Pairs of architecture and variant that a normalised platform runs, best first.
    private var runnable: [(String, String)] {
        let level = variant.flatMap { Int($0.drop { $0 == "v" }) }
        switch architecture {
        case "amd64":
            let lower = stride(from: level ?? 1, to: 1, by: -1).map { ("amd64", "v\($0)") }
            return lower + [("amd64", ""), ("386", "")]
        case "arm":
            guard let level, level > 5 else { return [("arm", variant ?? "")] }
            return stride(from: level, through: 5, by: -1).map { ("arm", "v\($0)") }
        case "arm64":
            let higher = variant.map { [("arm64", $0)] } ?? []
            return higher + [("arm64", "")] + (5...8).reversed().map { ("arm", "v\($0)") }
        default: return [(architecture, variant ?? "")]
        }
    }
}
