import Glibc
public import SystemPackage

/// Where programs are looked for: the folders of PATH, then those for administrators' programs, which the PATH of an
/// ordinary user may lack.
public struct SearchPath: Sendable, Hashable {
    /// The folders, in order.
    public let folders: [FilePath]

    /// These folders and no others.
    public init(folders: [FilePath]) { self.folders = folders }

    /// - Parameter path: the value of PATH; nil where there is none.
    public init(path: String?) {
        let given = (path ?? "/usr/bin:/bin").split(separator: ":").map { FilePath(String($0)) }
        folders = given + ["/usr/sbin", "/sbin"].filter { !given.contains($0) }
    }

    /// That of this process.
    public static var process: SearchPath { SearchPath(path: getenv("PATH").map { String(cString: $0) }) }

    /// The path of a program; nil where no folder has one that may be run.
    public func program(_ name: String) -> FilePath? {
        folders.lazy.map { $0.appending(name) }.first { access($0.string, X_OK) == 0 }
    }
}
