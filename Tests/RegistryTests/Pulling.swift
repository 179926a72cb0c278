import Archives
import Host
import Logging
import OCI
import SystemPackage
import TestSupport

@testable import Registry

/// A client that reads nothing of this machine's configuration, and waits for nothing longer than it must.
func makeClient(
    registries yaml: String? = nil,
    credentials: [FilePath] = [],
    in folder: TemporaryDirectory? = nil,
    change: (inout ClientConfiguration) -> Void = { _ in }
) throws -> RegistryClient {
    var configuration = ClientConfiguration(registriesFile: "/nonexistent/registries.yaml", environment: [:])
    configuration.credentialFiles = credentials
    if let yaml, let folder { configuration.registriesFile = try folder.write(yaml, to: "registries.yaml") }
    configuration.retries = RetryPolicy(
        attempts: 4,
        firstDelay: .milliseconds(20),
        longestDelay: .milliseconds(50)
    )
    change(&configuration)
    return try RegistryClient(configuration, logger: Logger(label: "test"))
}

func reference(_ text: String) throws -> Reference { try Reference(parsing: text) }

extension BlobDownload {
    /// Everything, read on a thread in pieces of a size.
    func everything(chunk: Int = 64 << 10) async throws -> [UInt8] {
        try await onThread(named: "reader") { _ in
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: chunk)
            while true {
                let count = try buffer.withUnsafeMutableBytes { try self.read(into: $0) }
                if count == 0 { return bytes }
                bytes += buffer[..<count]
            }
        }
    }
}

extension RegistryClient {
    /// The bytes of each layer, fetched one after another.
    func layers(of image: RemoteImage) async throws -> [[UInt8]] {
        var layers: [[UInt8]] = []
        for layer in image.layers {
            layers.append(try await download(layer, of: image.reference).everything())
        }
        return layers
    }
}

/// The error that something throws.
func registryError(_ body: () async throws -> some Any) async -> RegistryError? {
    do {
        _ = try await body()
        return nil
    } catch { return error as? RegistryError }
}
