import EROFS
import Glibc
import Host
import ImageBackend
import SystemPackage

/// Merges layers' EROFS images, bottom first, into one, without a store around it: what `contrib/bench/merge` times.
@main
struct LayerMergeTool {
    static func main() throws {
        var arguments = CommandLine.arguments.dropFirst()
        guard arguments.count >= 2, let output = arguments.popLast() else {
            print("usage: layer-merge IMAGE... OUTPUT")
            exit(64)
        }
        let summary = try LayerMerge.write(
            arguments.map { (try File.regular(FilePath($0)), false) },
            to: File(FilePath(output), .readWrite, options: [.create, .truncate]),
            options: WriterOptions(guestKernel: GuestKernel(6, 1), jobs: 2)
        )
        print("\(summary.entries) entries, \(summary.size) bytes, for Linux \(summary.minimumKernel)")
    }
}
