import Glibc
public import SystemPackage

/// The path of an executable that was built together with the tests.
public func builtProduct(_ name: String) throws -> FilePath {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw CommandFailure(description: "cannot tell where the tests run from") }
    // The test bundle lies beside the executables of the same build.
    let path = FilePath(platformString: buffer).removingLastComponent().appending(name)
    guard access(path.string, X_OK) == 0 else {
        throw CommandFailure(description: "\(path) is not there: run `swift build --build-tests` first")
    }
    return path
}
