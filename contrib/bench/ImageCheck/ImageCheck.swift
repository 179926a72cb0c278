import EROFS
import Glibc
import Host
import SystemPackage

/// Checks one image and prints what it holds: what `contrib/bench/check` times.
@main
struct ImageCheckTool {
    static func main() throws {
        guard CommandLine.arguments.count == 2 else {
            print("usage: image-check IMAGE")
            exit(64)
        }
        let report = try ImageCheck().check(File.regular(FilePath(CommandLine.arguments[1])))
        print("\(report.entries) names, \(report.fileBytes) bytes, \(report.expandedBytes) of them expanded")
    }
}
