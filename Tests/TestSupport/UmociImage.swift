public import SystemPackage

/// An OCI image of layers, made by umoci, and what umoci unpacks it to.
public struct UmociImage: Sendable {
    private let folder: TemporaryDirectory

    /// Makes an image.
    ///
    /// - Parameters:
    ///   - layers: tar files, bottom first.
    ///   - config: options of `umoci config`: `--config.cmd=sh` and the like.
    public init(_ layers: [[UInt8]], config: [String] = []) async throws {
        folder = try TemporaryDirectory("umoci")
        try await check("umoci", ["init", "--layout", layout.string])
        try await check("umoci", ["new", "--image", "\(layout):latest"])
        for (position, layer) in layers.enumerated() {
            let file = try folder.write(layer, to: "\(position).tar")
            try await check("umoci", ["raw", "add-layer", "--image", "\(layout):latest", file.string])
        }
        if !config.isEmpty {
            try await check("umoci", ["config", "--image", "\(layout):latest"] + config)
        }
    }

    /// The OCI layout.
    public var layout: FilePath { folder.appending("layout") }

    /// The layout as one tar file.
    public func archive() async throws -> FilePath {
        let file = folder.appending("image.tar")
        try await check("tar", ["-C", layout.string, "-cf", file.string, "."])
        return file
    }

    /// Unpacks the image and returns the root of its tree.
    public func unpacked() async throws -> FilePath {
        let bundle = folder.appending("bundle")
        try await check("umoci", ["unpack", "--image", "\(layout):latest", bundle.string])
        return bundle.appending("rootfs")
    }
}
