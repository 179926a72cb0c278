import OCI
import Testing

@Suite("Media types")
struct MediaTypeTests {
    @Test(
        "tell how a layer is compressed",
        arguments: [
            ("application/vnd.oci.image.layer.v1.tar", MediaType.Compression.none),
            ("application/vnd.oci.image.layer.v1.tar+gzip", .gzip),
            ("application/vnd.oci.image.layer.v1.tar+zstd", .zstd),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", .gzip),
            ("application/vnd.docker.image.rootfs.diff.tar", MediaType.Compression.none),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", .gzip),
            ("application/vnd.docker.image.rootfs.diff.tar.zstd", .zstd),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", .gzip),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", .gzip),
            ("application/vnd.erofs.layer.v1", MediaType.Compression.none),
            ("application/vnd.erofs.layer.v1+zstd", .zstd),
            ("application/vnd.oci.image.layer.v1.tar+brotli", nil),
            ("application/vnd.oci.image.config.v1+json", nil),
            ("application/vnd.in-toto+json", nil),
        ] as [(String, MediaType.Compression?)]
    )
    func compression(text: String, expected: MediaType.Compression?) {
        #expect(MediaType(rawValue: text).compression == expected)
    }

    @Test("tell what must not be taken as it is")
    func refusals() {
        let foreign = MediaType.dockerForeignLayerGzip
        #expect(foreign.isTarLayer && foreign.isNonDistributable && !foreign.isEncrypted)
        let encrypted = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+encrypted")
        #expect(
            encrypted.isTarLayer && encrypted.isEncrypted
                && encrypted.compression == MediaType.Compression.none
        )
        #expect(!MediaType(rawValue: "application/vnd.oci.image.layer.v1.tarball").isTarLayer)
        #expect(MediaType.dockerSignedManifestSchema1.isSchema1 && !MediaType.dockerManifest.isSchema1)
    }

    @Test("lose the parameters of an HTTP header")
    func parameters() {
        #expect(MediaType(rawValue: "application/vnd.oci.image.index.v1+json ; charset=utf-8") == .ociIndex)
    }
}
