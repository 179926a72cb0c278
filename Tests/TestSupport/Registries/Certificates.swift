public import SystemPackage

/// A certificate authority of the tests' own, a server's certificate for this machine, and a client's.
public final class Certificates: Sendable {
    private let folder: TemporaryDirectory

    /// The authority's certificate, PEM.
    public var authority: FilePath { folder.appending("ca.crt") }
    /// The server's certificate for `localhost` and 127.0.0.1, PEM.
    public var server: FilePath { folder.appending("server.crt") }
    /// The server's key.
    public var serverKey: FilePath { folder.appending("server.key") }
    /// A client's certificate, PEM.
    public var client: FilePath { folder.appending("client.crt") }
    /// The client's key.
    public var clientKey: FilePath { folder.appending("client.key") }

    /// Makes them.
    public init() async throws {
        folder = try TemporaryDirectory("certificates")
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        try await check(
            "openssl",
            ["req", "-x509", "-days", "2", "-subj", "/CN=test authority"] + curve
                + ["-keyout", folder.appending("ca.key").string, "-out", authority.string]
        )
        for (name, extensions) in [
            ("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            ("client", "extendedKeyUsage=clientAuth"),
        ] {
            let request = folder.appending("\(name).csr").string
            let file = try folder.write(extensions, to: "\(name).ext").string
            try await check(
                "openssl",
                ["req", "-new", "-subj", "/CN=\(name)"] + curve
                    + ["-keyout", folder.appending("\(name).key").string, "-out", request]
            )
            try await check(
                "openssl",
                [
                    "x509", "-req", "-days", "2", "-in", request, "-CA", authority.string, "-CAkey",
                    folder.appending("ca.key").string, "-CAcreateserial", "-extfile", file, "-out",
                    folder.appending("\(name).crt").string,
                ]
            )
        }
    }
}
