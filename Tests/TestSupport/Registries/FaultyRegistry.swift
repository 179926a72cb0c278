import Foundation
import Host
import SystemPackage

/// A registry of the tests' own that serves an OCI layout, and misbehaves as it is told.
public final class FaultyRegistry: Sendable {
    /// What to do to requests that match.
    public struct Fault: Sendable {
        var fields: [String: String] = [:]
        var numbers: [String: Int] = [:]

        /// - Parameters:
        ///   - kind: What happens; see `faulty_registry.py`.
        ///   - path: A regular expression that is looked for in the path.
        ///   - method: GET or HEAD; nil for both.
        ///   - skip: Requests that match and are served well before it begins.
        ///   - times: How often it happens; nil for ever.
        ///   - at: A byte of the body, a number of seconds, or a status.
        ///   - value: A header's value, a URL, a path.
        public init(
            _ kind: String,
            path: String,
            method: String? = nil,
            skip: Int = 0,
            times: Int? = 1,
            at: Int = 0,
            value: String = ""
        ) {
            fields = ["kind": kind, "path": path, "value": value]
            fields["method"] = method
            numbers = ["skip": skip, "at": at]
            numbers["times"] = times
        }
    }

    /// A request that it saw.
    public struct Request: Sendable, Hashable {
        /// GET, HEAD or POST.
        public let method: String
        /// With the query.
        public let path: String
        /// The `Range` field.
        public let range: String?
        /// The `Authorization` field.
        public let authorization: String?
        /// The `Host` field.
        public let host: String?
        /// What was done to it.
        public let fault: String?
    }

    private let folder: TemporaryDirectory
    private let process: ServerProcess
    /// Served as long as there is somebody to ask for it.
    private let layout: TestLayout

    /// `127.0.0.1:PORT`.
    public var host: String { "127.0.0.1:\(process.port)" }

    /// Starts a registry that serves a layout under every repository's name.
    ///
    /// - Parameter access: `basic:USER:PASSWORD`, `bearer:USES` (tokens that are good for so many requests), or nothing.
    public init(_ layout: TestLayout, _ faults: [Fault] = [], access: String = "") async throws {
        self.layout = layout
        folder = try TemporaryDirectory("faults")
        let rules: [[String: Any]] = faults.map { fault in
            var rule: [String: Any] = fault.fields
            for (name, number) in fault.numbers { rule[name] = number }
            return rule
        }
        let bytes = try JSONSerialization.data(withJSONObject: rules)
        let file = try folder.write(Array(bytes), to: "faults.json")
        process = try await ServerProcess(
            "python3",
            [pythonScript("faulty_registry.py"), layout.path.string, file.string, access],
            marker: "listening on 127.0.0.1:"
        )
    }

    /// The requests so far.
    public func requests() throws -> [Request] {
        try process.output().split(separator: "\n").compactMap { line in
            guard line.hasPrefix("{"),
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            else { return nil }
            return Request(
                method: object["method"] as? String ?? "",
                path: object["path"] as? String ?? "",
                range: object["range"] as? String,
                authorization: object["authorization"] as? String,
                host: object["host"] as? String,
                fault: object["fault"] as? String
            )
        }
    }

    /// Kills it.
    public func stop() { process.stop() }
}
