extension GuestConfig {
    /// The content of `config.sh`: the same as `config.json`, for a POSIX shell to source.
    ///
    /// A shell has no lists, so each list is a function that calls what it is given with the list's elements behind, or
    /// once for each element. Every word stands in single quotes, within which a shell takes everything as it is
    /// (POSIX.1-2017, Shell Command Language, 2.2.2).
    public var shell: String {
        let lines =
            [
                "# What Slipway tells this guest: the same as config.json, for a POSIX shell to source.",
                "slipway_schema=\(Self.schema)",
                "slipway_user=\(Self.quoted(user))",
                "slipway_directory=\(Self.quoted(workingDirectory))",
                "slipway_stop_signal=\(Self.quoted(stopSignal))",
                "slipway_hostname=\(Self.quoted(hostname ?? ""))",
                Self.function("with_command", [arguments]),
                Self.function("with_environment", [environment]),
                Self.function("with_name_servers", [nameServers.map(\.description)]),
                Self.function(
                    "each_interface",
                    interfaces.map {
                        [
                            $0.mac.description, $0.address?.description ?? "",
                            $0.gateway?.description ?? "",
                        ]
                    }
                ),
                Self.function("each_mount", mounts.map { [$0.serial, $0.filesystem, $0.path] }),
            ]
        return lines.map { $0 + "\n" }.joined()
    }

    private static func function(_ name: String, _ calls: [[String]]) -> String {
        let body = calls.map { (["\"$@\""] + $0.map(quoted)).joined(separator: " ") + ";" }
        return "slipway_\(name)() { \(body.isEmpty ? ":;" : body.joined(separator: " ")) }"
    }

    private static func quoted(_ word: String) -> String {
        "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
