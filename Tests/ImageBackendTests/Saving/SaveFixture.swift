import Archives
import Host
import OCI
import Store
import SystemPackage
import TestSupport

@testable import ImageBackend

extension TestBackend {
    /// Saves images to a file of the fixture's folder.
    @discardableResult
    func saving(
        _ images: String...,
        as form: SaveRequest.Form = .tar(.zstd),
        to name: String = "saved.tar"
    ) async throws -> (file: FilePath, report: SaveReport) {
        let replacement = try FileReplacement(folder.appending(name))
        let report = try await backend.save(
            SaveRequest(images, as: form),
            to: .file(replacement.file),
            tracker: SilentTracker()
        )
        try replacement.commit()
        return (folder.appending(name), report)
    }

    /// Imports one archive.
    func importing(archive: FilePath, as name: String, select: String? = nil) async throws -> Image {
        try await backend.import(
            ImportRequest(name: name, inputs: [.path(archive)], select: select, source: .hand),
            tracker: SilentTracker()
        )
    }

    /// What a guest sees of an image.
    func guestListing(_ image: Image) async throws -> TreeListing {
        var listing: TreeListing?
        try await LayerStackFixture(image, in: self).guest { listing = try TreeListing($0) }
        guard let listing else { throw CommandFailure(description: "the guest saw nothing") }
        return listing
    }
}

/// The names of a tar's members in their order, read from front to back.
func memberNames(_ file: FilePath) throws -> [String] {
    let reader = TarReader(FileSource(file: try File.regular(file)), name: file.string)
    var names: [String] = []
    while let entry = try reader.next() { names.append(String(decoding: entry.path, as: UTF8.self)) }
    return names
}

/// An image of a saved archive, unpacked by umoci, which reads gzip but not zstd.
func unpacked(_ archive: FilePath) async throws -> Unpacked {
    let folder = try TemporaryDirectory("saved")
    let layout = folder.appending("oci")
    try await check(
        "skopeo",
        [
            "--insecure-policy", "copy", "--dest-compress", "--dest-compress-format", "gzip",
            "oci-archive:\(archive)", "oci:\(layout):latest",
        ]
    )
    return try await Unpacked(layout: layout, in: folder)
}
