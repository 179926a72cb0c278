import Glibc
public import SystemPackage

extension FilePath {
    /// The path without symbolic links, as far as it exists (realpath(3)); what does not exist stays as it is written.
    public func resolvingSymbolicLinks() -> FilePath {
        var existing = self
        var rest: [FilePath.Component] = []
        while let component = existing.lastComponent {
            if let real = existing.withPlatformString({ realpath($0, nil) }) {
                defer { free(real) }
                return rest.reversed().reduce(FilePath(platformString: real)) { $0.appending($1) }
            }
            rest.append(component)
            existing.removeLastComponent()
        }
        return self
    }
}
