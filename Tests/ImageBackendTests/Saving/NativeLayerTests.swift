import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import EROFS
@testable import ImageBackend

@Suite("A native layer in an archive")
struct NativeLayerTests {
    /// An archive of an image whose layers are given.
    private func archive(_ layers: [TestLayout.Layer], in test: TestBackend) async throws -> FilePath {
        let layout = try TestLayout()
        _ = try layout.image(layers, tag: "latest")
        let file = test.folder.appending("\(layout.path.lastComponent?.string ?? "x").oci")
        try await check("tar", ["-C", layout.path.string, "-cf", file.string, "."])
        return file
    }

    @Test("becomes the blob that it was, and nothing is converted")
    func sameBytes() async throws {
        let here = try TestBackend()
        let image = try await here.importing(
            "a",
            tar(["boot/vmlinuz": "k", "boot/initrd.img": "i"]),
            tar(["a": "a", "tmp/x": "x"])
        )
        let (file, report) = try await here.saving("a", as: .native)
        // A writer that packs nothing would make other bytes of any tar.
        let there = try TestBackend(compression: .none)
        let taken = try await there.importing(archive: file, as: "a")
        #expect(taken.layers.map(\.bytes) == image.layers.map(\.bytes))
        for (ours, theirs) in zip(image.layers, taken.layers) {
            #expect(try AtomicFile.read(FilePath(ours.path)) == AtomicFile.read(FilePath(theirs.path)))
        }
        #expect(taken.digest == report.images[0].savedDigest)
        #expect(taken.imported?.bytesAdded == taken.layers.reduce(0) { $0 + $1.bytes })
        #expect(taken.kernel != nil && taken.initrd != nil)
        #expect(try await there.guestListing(taken) == here.guestListing(image))
        #expect(try await there.store.verifyBlobs().isEmpty)
        // A second time there is nothing to take.
        #expect(try await there.importing(archive: file, as: "b").imported?.bytesAdded == 0)
    }

    @Test("is written anew for guests whose kernel cannot mount it, and keeps its key")
    func oldGuests() async throws {
        let here = try TestBackend()
        try await here.importing("a", tar(["a": "a", "b": String(repeating: "b", count: 9000)]))
        let (file, _) = try await here.saving("a", as: .native)
        let there = try TestBackend(guestKernel: GuestKernel(5, 10))
        let taken = try await there.importing(archive: file, as: "a")
        let key = try #require(taken.layers.first?.key)
        #expect(key.isNative)
        let blob = try #require(try await there.store.blob(key, leasedBy: nil))
        #expect(try #require(GuestKernel(blob.minimumGuestKernel)) <= GuestKernel(5, 10))
        #expect(try await there.guestListing(taken).entries.keys.sorted() == [".", "./a", "./b"])
    }

    @Test("and a tar of the same bytes are two layers, whichever comes first", arguments: [false, true])
    func twoReadings(isNativeFirst: Bool) async throws {
        // Its first kilobyte is zeros: to a reader of tars, the end of an archive without entries.
        let maker = try TestBackend()
        let made = try await maker.importing("a", tar(["real": "x"]))
        let bytes = try #require(try AtomicFile.read(FilePath(made.layers[0].path)))
        let test = try TestBackend()
        let native = try await archive([.native(bytes, isCompressed: false)], in: test)
        let posing = try await archive([.plain(bytes), .plain(tar(["other": "y"]))], in: test)
        for file in isNativeFirst ? [native, posing] : [posing, native] {
            _ = try await test.importing(archive: file, as: file == native ? "native" : "posing")
        }
        let first = try #require(try await test.backend.inspect("native"))
        let second = try #require(try await test.backend.inspect("posing"))
        #expect(first.layers[0].diffID == second.layers[0].diffID)
        #expect(first.layers[0].key != second.layers[0].key)
        #expect(try await test.guestListing(first).entries.keys.sorted() == [".", "./real"])
        #expect(try await test.guestListing(second).entries.keys.sorted() == [".", "./other"])
    }

    @Test("is never taken for the tar that its annotation names")
    func claim() async throws {
        let honest = tar(["honest": "x"])
        let maker = try TestBackend()
        let made = try await maker.importing("a", tar(["evil": "x"]))
        let bytes = try #require(try AtomicFile.read(FilePath(made.layers[0].path)))
        let layout = try TestLayout()
        var layer = try layout.blob(bytes, .erofsLayer)
        layer.annotations = [NativeAnnotation.diffID: Digest.sha256(of: honest).description]
        let config = Manifest.synthesized(
            layers: [
                (digest: layer.digest, size: layer.size, diffID: layer.digest, mediaType: .erofsLayer)
            ],
            platform: .host
        )
        .configBytes
        let manifest = Manifest(config: try layout.blob(config, .ociConfig), layers: [layer])
        try layout.tag(
            try layout.blob(manifest.canonicalBytes(isAligned: false), .ociManifest),
            "latest"
        )
        let victim = try TestBackend()
        let file = victim.folder.appending("evil.oci")
        try await check("tar", ["-C", layout.path.string, "-cf", file.string, "."])
        _ = try await victim.importing(archive: file, as: "evil")
        let image = try await victim.importing("honest", honest)
        #expect(try await victim.guestListing(image).entries.keys.sorted() == [".", "./honest"])
    }

    @Test("that is damaged, cut off, not the one promised or no image at all is refused")
    func refusals() async throws {
        let maker = try TestBackend()
        let made = try await maker.importing("a", tar(["dir/a": "a", "dir/b": "b"]))
        let bytes = try #require(try AtomicFile.read(FilePath(made.layers[0].path)))
        let test = try TestBackend()
        func failure(_ layer: TestLayout.Layer) async throws -> ImageError? {
            let file = try await archive([layer], in: test)
            return await #expect(throws: ImageError.self) {
                try await test.importing(archive: file, as: "a")
            }
        }
        var changed = bytes
        // Behind the superblock, which has a checksum.
        for index in 1152..<1216 { changed[index] = 0xFF }
        let damaged = try await failure(.native(changed, isCompressed: false))
        #expect(damaged?.code == .invalidArchive, "\(String(describing: damaged))")
        let short = try await failure(.native(Array(bytes.dropLast(4096)), isCompressed: false))
        #expect(short?.code == .invalidArchive)
        let text = try await failure(.native(Array("no image".utf8), isCompressed: false))
        #expect(text?.code == .invalidArchive)
        var other = try await TestLayout.Layer.native(bytes, isCompressed: true)
        other.diffID = Digest.sha256(of: [1])
        let promised = try await failure(other)
        #expect(promised?.code == .digestMismatch)
        #expect(try await test.files().isEmpty)
        #expect(try Directory.names(in: test.store.layout.temp).isEmpty)
    }

    @Test(
        "with an attribute by which overlayfs renames or redirects is refused",
        arguments: ["trusted.overlay.redirect", "trusted.overlay.metacopy", "user.overlay.whiteout"]
    )
    func overlayAttributes(name: String) async throws {
        let test = try TestBackend()
        let path = test.folder.appending("hostile.erofs")
        let writer = try ImageWriter(
            file: File(path, .readWrite, options: .create),
            options: WriterOptions(uuid: [UInt8](repeating: 0, count: 16))
        )
        _ = try writer.addDirectory(
            named: Array("dir".utf8)[...],
            in: writer.root,
            attributes: Attributes(
                permissions: 0o755,
                xattrs: [ExtendedAttribute(name, Array("/etc".utf8))]
            )
        )
        _ = try writer.finish()
        let bytes = try #require(try AtomicFile.read(path))
        let file = try await archive([.native(bytes, isCompressed: false)], in: test)
        let error = await #expect(throws: ImageError.self) {
            try await test.importing(archive: file, as: "a")
        }
        #expect(
            error?.code == .invalidArchive && error?.message.contains(name) == true,
            "\(String(describing: error))"
        )
    }

    // MARK: More than it holds

    /// An image of a mebibyte in which as many files as are asked for all lie in the blocks of one.
    private func sharing(_ count: Int, in test: TestBackend) throws -> [UInt8] {
        let path = test.folder.appending("sharing.erofs")
        let writer = try ImageWriter(
            file: File(path, .readWrite, options: .create),
            options: WriterOptions(compression: .none)
        )
        let content = Array(noisyTar(1 << 20).prefix(1 << 20))
        for name in ["all"] + (0..<count).map({ "part-\($0)" }) {
            // A time of its own: an inode of the long form.
            let time = Timestamp(seconds: name == "all" ? 1 : 2)
            let size = name == "all" ? content.count : 4096
            try writer.beginFile(
                named: Array(name.utf8),
                in: writer.root,
                size: UInt64(size),
                attributes: Attributes(permissions: 0o644, modified: time)
            )
            try content[..<size].withUnsafeBytes { try writer.write($0) }
            try writer.endFile()
        }
        _ = try writer.finish()
        let reader = try ImageReader(file: File(path, .readOnly))
        var bytes = try #require(try AtomicFile.read(path))
        let all = try #require(try reader.lookup([Array("all".utf8)]))
        for number in 0..<count {
            let part = try #require(try reader.lookup([Array("part-\(number)".utf8)]))
            try #require(!part.isCompact && !part.isInline)
            bytes.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                (base + Int(part.offset)).store(all.size, at: 8)
                (base + Int(part.offset)).store(all.fields.union, at: 16)
            }
        }
        return bytes
    }

    @Test("whose files share their blocks is refused where they come to more than a layer may hold")
    func sharedBlocksBeyondTheLimit() async throws {
        let test = try TestBackend(limits: LayerLimits(unpackedBytes: 16 << 20))
        let few = try await archive([.native(sharing(8, in: test), isCompressed: false)], in: test)
        _ = try await test.importing(archive: few, as: "few")
        let many = try await archive([.native(sharing(40, in: test), isCompressed: false)], in: test)
        let error = await #expect(throws: ImageError.self) {
            try await test.importing(archive: many, as: "many")
        }
        #expect(error?.code == .limitExceeded && error?.isTransient == false)
        #expect(error?.message.contains("\"/part-") == true, "\(String(describing: error))")
        #expect(error?.message.contains("more than 16777216 bytes") == true)
        #expect(try Directory.names(in: test.store.layout.temp).isEmpty)
    }

    @Test(
        "whose files share their blocks is merged where there is room for all of them, and refused where not"
    )
    func sharedBlocksMerged() async throws {
        let small = try KernelMount.tmpfs(size: 48 << 20)
        let tight = try TestBackend(at: small.path.appending("store"))
        let bytes = try sharing(80, in: tight)
        func merge(_ test: TestBackend) async throws -> MergedDisk {
            let file = try await archive([.native(bytes, isCompressed: false)], in: test)
            let image = try await test.importing(archive: file, as: "a")
            return try await test.backend.mergedDisk(of: image.digest, keys: image.layers.map(\.key))
        }
        let error = await #expect(throws: ImageError.self) { try await merge(tight) }
        #expect(error?.code == .noSpace, "\(String(describing: error))")
        #expect(try Directory.names(in: tight.store.layout.temp).isEmpty)
        #expect(try Directory.names(in: tight.store.layout.merged).isEmpty)
        let roomy = try TestBackend()
        let disk = try await merge(roomy)
        let report = try ImageCheck().check(File(disk.storage.path, .readOnly))
        #expect(report.fileBytes == 81 << 20)
        withExtendedLifetime(small) {}
    }
}
