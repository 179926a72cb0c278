import Documents
public import Provisioning

extension Settings.VMs {
    /// `vms.defaults`: members of a request, for requests that do not have them.
    public struct Defaults: Sendable, Hashable {
        /// What they say.
        public private(set) var request = VMRequest(name: "", image: "")
        /// The members that are not at their default, by their keys below `vms.defaults`, as they were written.
        private var members: [String: Node] = [:]

        /// Sets one member; one that is built in is taken away.
        mutating func set(_ key: String, _ node: Node, builtIn: JSONValue) throws(DocumentError) {
            var members = members
            members[key] = node.jsonValue == builtIn ? nil : node
            var request = VMRequest(name: "", image: "")
            for (key, node) in members {
                let path = key.split(separator: ".").map(String.init)
                request.fill(from: try VMRequest(defaults: node.nested(in: path)))
            }
            (self.members, self.request) = (members, request)
        }

        /// A member as it was written; nil where it is at its default.
        func written(_ key: String) -> JSONValue? { members[key]?.jsonValue }

        /// Two are the same that say the same, wherever it was written.
        public static func == (left: Defaults, right: Defaults) -> Bool { left.request == right.request }

        /// What they say.
        public func hash(into hasher: inout Hasher) { hasher.combine(request) }
    }
}

extension SettingKey {
    /// A member of `vms.defaults`, in the form that requests have it.
    ///
    /// - Parameters:
    ///   - key: below `vms.defaults`: `memory`, `disk.size`.
    ///   - builtIn: what holds where nobody says anything.
    static func requestDefault(_ key: String, builtIn: JSONValue) -> SettingKey {
        SettingKey(
            key: "vms.defaults.\(key)",
            read: { (node, settings) throws(DocumentError) in
                try settings.vms.defaults.set(key, node, builtIn: builtIn)
            },
            show: { settings in
                guard let written = settings.vms.defaults.written(key) else { return builtIn }
                // It may hold secrets.
                if key == "userData", let data = settings.vms.defaults.request.userData {
                    return .string(data.description)
                }
                return written
            }
        )
    }
}

extension Node {
    /// A mapping that holds this value under some keys.
    fileprivate func nested(in keys: [String]) -> Node {
        keys.reversed().reduce(self) { value, key in
            var outer = value
            outer.kind = .object([Member(key: key, keyMark: value.mark, value: value)])
            outer.plainText = nil
            return outer
        }
    }
}
