/// Aligned columns for people.
struct Table {
    /// A column: its heading and on which side its cells stand.
    struct Column {
        var heading: String
        var isNumeric: Bool

        static func text(_ heading: String) -> Column { Column(heading: heading, isNumeric: false) }
        static func number(_ heading: String) -> Column { Column(heading: heading, isNumeric: true) }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: Column...) { self.columns = columns }

    /// Adds a row. Control characters never reach a terminal; an empty cell shows as a dash.
    mutating func add(_ cells: String...) {
        rows.append(cells.map { $0.isEmpty ? "-" : $0.withoutControlCharacters })
    }

    /// The table with its headings; every line ends with a newline and none with spaces.
    var text: String {
        let lines = [columns.map(\.heading)] + rows
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            let cells = line.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - line[column].count)
                return columns[column].isNumeric ? padding + line[column] : line[column] + padding
            }
            var joined = cells.joined(separator: "  ")
            while joined.last == " " { joined.removeLast() }
            return joined + "\n"
        }.joined()
    }
}

extension String {
    /// The text with control characters shown as U+FFFD.
    var withoutControlCharacters: String {
        guard unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            return self
        }
        return String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }
            )
        )
    }
}
