public import SystemPackage

/// Where a file's bytes lie, as the file system says (FIEMAP, by filefrag(8)).
public struct FileExtents: Sendable {
    /// Bytes that lie somewhere.
    public private(set) var mapped = 0
    /// Bytes of them that other files have as well.
    public private(set) var shared = 0

    /// Asks for a file's.
    public init(of path: FilePath) async throws {
        // Written back first: what has no place yet is not counted.
        try await check("sync", [path.string])
        // "   0:        0..      31:        160..       191:     32:             last,shared,eof"
        for line in try await check("filefrag", ["-v", "-b4096", path.string]).split(separator: "\n") {
            let columns = line.split(separator: ":", omittingEmptySubsequences: false)
            guard columns.count >= 5, Int(columns[0].filter { $0 != " " }) != nil,
                let blocks = Int(columns[3].filter { $0 != " " })
            else { continue }
            mapped += blocks * 4096
            if line.contains("shared") { shared += blocks * 4096 }
        }
    }
}
