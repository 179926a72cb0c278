/// A metric with all of its samples, as Prometheus reads it (text exposition format 0.0.4).
struct MetricFamily: Sendable, Hashable {
    enum Kind: String, Sendable { case counter, gauge }

    /// One value, told from others of the family by its labels.
    struct Sample: Sendable, Hashable {
        var labels: [String: String] = [:]
        var value: Value
    }

    /// A number as it is written.
    enum Value: Sendable, Hashable {
        case count(UInt64)
        case seconds(Double)
    }

    let name: String
    let kind: Kind
    let help: String
    var samples: [Sample] = []

    /// A family of one sample without labels.
    init(_ name: String, _ kind: Kind, _ help: String, _ value: Value) {
        self.init(name, kind, help, samples: [Sample(value: value)])
    }

    init(_ name: String, _ kind: Kind, _ help: String, samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// A family with a sample for each value of one label.
    init(_ name: String, _ kind: Kind, _ help: String, by label: String, _ counts: [String: UInt64]) {
        self.init(
            name,
            kind,
            help,
            samples: counts.sorted { $0.key < $1.key }.map {
                Sample(labels: [label: $0.key], value: .count($0.value))
            }
        )
    }

    /// Its lines; none where there are no samples.
    var text: String {
        guard !samples.isEmpty else { return "" }
        var text = "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            let labels = sample.labels.sorted { $0.key < $1.key }
                .map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
                .joined(separator: ",")
            text += name + (labels.isEmpty ? "" : "{\(labels)}") + " \(sample.value.text)\n"
        }
        return text
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

extension MetricFamily.Value {
    fileprivate var text: String {
        switch self {
        case .count(let count): "\(count)"
        case .seconds(let seconds): "\(seconds)"
        }
    }
}
