/// The components of a path still to go, with symbolic links spliced in as they are met.
struct Walk {
    /// Whether the link followed last starts at the root.
    private(set) var isAbsolute = false

    private var rest: [ArraySlice<UInt8>]
    private var links = 0

    init(_ components: ArraySlice<ArraySlice<UInt8>>) { rest = components.reversed() }

    /// Whether nothing is left to go.
    var isAtEnd: Bool { rest.isEmpty }

    mutating func next() -> ArraySlice<UInt8>? { rest.popLast() }

    /// Replaces the component just taken by a link's target; false after 40 links (the kernel's MAXSYMLINKS).
    mutating func follow(_ target: [UInt8]) -> Bool {
        links += 1
        guard links <= 40 else { return false }
        isAbsolute = target.first == UInt8(ascii: "/")
        let parts = target.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
        rest.append(contentsOf: parts.reversed())
        return true
    }
}
