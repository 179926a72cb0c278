import Archives
import EROFS
import Glibc
import Host
import ImageBackend
import SystemPackage

/// Converts one layer's tar to an EROFS image, without a store around it: what `contrib/bench/convert` times.
@main
struct LayerConvert {
    static func main() throws {
        var arguments = CommandLine.arguments.dropFirst()
        var compression = Compression.lz4(clusterSize: 65536)
        var guestKernel = GuestKernel(6, 1)
        var jobs = 2
        while let option = arguments.first, option.hasPrefix("--") {
            arguments.removeFirst()
            guard let value = arguments.popFirst() else { return usage() }
            switch option {
            case "--guest-kernel":
                guard let kernel = GuestKernel(value) else { return usage() }
                guestKernel = kernel
            case "--jobs": jobs = Int(value) ?? 0
            case "--compression":
                let parts = value.split(separator: ",")
                switch (parts.first, parts.dropFirst().compactMap { Int($0) }) {
                case ("none", _): compression = .none
                case ("lz4", let numbers) where numbers.count == 1:
                    compression = .lz4(clusterSize: numbers[0])
                case ("lz4hc", let numbers) where numbers.count == 2:
                    compression = .lz4hc(level: numbers[0], clusterSize: numbers[1])
                default: return usage()
                }
            default: return usage()
            }
        }
        guard arguments.count == 2, jobs > 0, let input = arguments.first, let output = arguments.last else {
            return usage()
        }
        let converter = LayerConverter(
            compression: compression,
            guestKernel: guestKernel,
            jobs: jobs,
            limits: LayerLimits(),
            cancellation: Cancellation()
        )
        let result = try converter.convert(
            FileSource(file: File.regular(FilePath(input))),
            name: input,
            isVouchedFor: false,
            to: File(FilePath(output), .readWrite, options: [.create, .truncate])
        ) { _ in }
        print("\(result.diffID) \(result.tarSize) -> \(result.summary.size) bytes")
    }

    static func usage() {
        print(
            "usage: layer-convert [--compression none|lz4,CLUSTER|lz4hc,LEVEL,CLUSTER] [--guest-kernel MAJOR.MINOR]"
                + " [--jobs N] TAR OUTPUT"
        )
        exit(64)
    }
}
