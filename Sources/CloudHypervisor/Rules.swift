public import Documents

/// What has to hold for a `VmConfig` to boot.
///
/// Cloud Hypervisor ignores unknown keys, checks nothing on `vm.create` and little on `vm.boot`. These rules are its
/// schema (`vmm/src/vm_config.rs`), its `VmConfig::validate()` (`vmm/src/config.rs`) and what fails later, at boot.
public enum Rules {
    /// Everything wrong with a config, in a stable order; empty when it is right.
    ///
    /// The rules between fields are applied only to a config that follows the schema: before, they would only repeat it.
    /// What files hold (a kernel's format, a pmem file's size) is for the caller to check.
    public static func check(_ config: JSONValue, version: HypervisorVersion) -> [Violation] {
        var schema = SchemaCheck(version: version)
        schema.check(config, .vmConfig, at: "")
        guard schema.violations.isEmpty else { return schema.violations }

        var rules = RuleCheck(config: config, version: version)
        rules.checkPayload()
        rules.checkCPUs()
        rules.checkMemory()
        rules.checkRateLimitGroups()
        rules.checkDisks()
        rules.checkNets()
        rules.checkConsoles()
        rules.checkOtherDevices()
        rules.checkPlatform()
        rules.checkNUMA()
        rules.checkIdentifiers()
        rules.checkPCI()
        return rules.violations
    }
}

/// A config that follows the schema, and what the rules find in it.
struct RuleCheck {
    let config: JSONValue
    let version: HypervisorVersion
    private(set) var violations: [Violation] = []

    init(config: JSONValue, version: HypervisorVersion) {
        self.config = config
        self.version = version
    }

    mutating func add(_ path: String, _ message: String) {
        violations.append(Violation(path: path, message: message))
    }

    /// The elements of a top-level list, each with its place.
    func elements(_ name: String) -> [(path: String, value: JSONValue)] {
        (config[name]?.array ?? []).enumerated().map { ("\(name)[\($0.offset)]", $0.element) }
    }

    var bootVCPUs: UInt64 { config["cpus"]?.count("boot_vcpus") ?? 1 }
    var maxVCPUs: UInt64 { config["cpus"]?.count("max_vcpus") ?? 1 }

    /// Adds a violation for every element that repeats another's value.
    mutating func requireUnique(_ values: [(path: String, value: String)], _ what: String) {
        var first: [String: String] = [:]
        for (path, value) in values {
            if let other = first[value] {
                add(path, "\(what) '\(value)' is that of \(other) already")
            } else {
                first[value] = path
            }
        }
    }
}

extension JSONValue {
    /// The whole number of a member; nil when it is absent or null.
    func count(_ name: String) -> UInt64? {
        switch self[name] {
        case .integer(let value): UInt64(exactly: value)
        case .unsigned(let value): value
        default: nil
        }
    }

    /// A member that is neither absent nor null.
    func present(_ name: String) -> JSONValue? {
        guard let member = self[name], member != .null else { return Optional.none }
        return member
    }

    /// A flag; false when it is absent.
    func flag(_ name: String) -> Bool { self[name]?.bool ?? false }
}

extension UInt64 {
    var isPowerOfTwo: Bool { nonzeroBitCount == 1 }
}
