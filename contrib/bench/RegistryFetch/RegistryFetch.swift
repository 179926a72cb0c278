import Glibc
import Host
import Logging
import OCI
import Registry

/// Fetches and verifies an image's layers and throws them away: what `contrib/bench/fetch` times.
@main
struct RegistryFetch {
    static func main() async {
        var arguments = CommandLine.arguments.dropFirst()
        var configuration = ClientConfiguration(environment: [:], downloads: 8, downloadsPerRegistry: 8)
        if arguments.first == "--one-stream" {
            configuration.ranges.blobs = 0
            arguments.removeFirst()
        }
        guard arguments.count == 1, let text = arguments.first else {
            print("usage: registry-fetch [--one-stream] REFERENCE")
            exit(64)
        }
        do { print(try await fetch(text, configuration)) } catch {
            print("registry-fetch: \(error)")
            exit(1)
        }
    }

    /// The bytes of all layers.
    static func fetch(_ text: String, _ configuration: ClientConfiguration) async throws -> UInt64 {
        let client = try RegistryClient(configuration, logger: Logger(label: "registry-fetch"))
        let image = try await client.resolve(try Reference(parsing: text))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for layer in image.layers {
                group.addTask {
                    let download = try await client.download(layer, of: image.reference)
                    try await onThread(named: "reader") { _ in
                        let buffer = UnsafeMutableRawBufferPointer.allocate(
                            byteCount: 256 << 10,
                            alignment: 64
                        )
                        defer { buffer.deallocate() }
                        while try download.read(into: buffer) > 0 {}
                    }
                }
            }
            try await group.waitForAll()
        }
        return image.layers.reduce(0) { $0 + $1.descriptor.size }
    }
}
