import EROFS
import Host
import Store
import SystemPackage

extension OCIBackend {
    /// Who writes blobs.
    public enum Engine: Sendable, Hashable {
        /// Slipway itself.
        case native
        /// The installed mkfs.erofs, from the tree that Slipway made of the layer.
        case mkfs
    }

    /// The program that writes blobs; nil where Slipway does. Asked for before a conversion, which would be in vain.
    func engineTool() async throws(ImageError) -> ErofsTool? {
        guard configuration.engine == .mkfs else { return nil }
        return try await ErofsTool.fit(.mkfs, for: configuration.guestKernel, in: configuration.search)
    }

    /// Has a layer that was converted into a file of the workspace written anew by the configured program, in place.
    func written(
        by tool: ErofsTool,
        _ conversion: LayerConverter.Result,
        at image: FilePath
    ) async throws(ImageError) -> LayerConverter.Result {
        let output = FilePath("\(image).mkfs")
        let uuid = LayerKey(diffID: conversion.diffID).imageUUID
        let (size, kernel) = try await tool.rewrite(
            image,
            to: output,
            compression: configuration.compression,
            uuid: uuid
        )
        var conversion = conversion
        conversion.summary.size = size
        do {
            if conversion.open != nil {
                // What the layer leaves open goes on with it, and what came before what.
                let native = try ImageReader(file: File.regular(image))
                let file = try File(output, .readWrite)
                try ImageWriter.takeNumbers(from: native, to: file)
                let size = try ImageWriter.attach(note: native.note(), to: file)
                conversion.summary.size = size
                conversion.open?.plainSize = size
            }
            try Directory.rename(output, to: image)
        } catch { throw ImageError(error, during: "converting") }
        conversion.summary.minimumKernel = kernel
        conversion.summary.deadBytes = 0
        conversion.writer = "\(tool.program.rawValue) \(tool.version)"
        return conversion
    }
}
