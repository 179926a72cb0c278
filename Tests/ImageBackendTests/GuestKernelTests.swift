import EROFS
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("A lower guest kernel")
struct GuestKernelTests {
    /// Many small files, which are packed together from Linux 6.1 on, and a large one in large clusters.
    private static let base: [UInt8] = {
        var tar = TarBuilder()
        tar.addDirectory("tmp/", mode: 0o1777)
        tar.addDirectory("boot/")
        tar.addFile("boot/vmlinuz-6.1", "kernel")
        tar.addFile("boot/initrd.img-6.1", "initramfs")
        for index in 0..<200 {
            tar.addFile("small-\(index)", String(repeating: "text \(index) ", count: 100))
        }
        tar.addFile("large", String(repeating: "the same again and again ", count: 40_000))
        tar.addHardLink("link", to: "large")
        return tar.finish()
    }()

    /// A layer that inherits the attributes of a folder.
    private static let site: [UInt8] = {
        var tar = TarBuilder()
        for index in 0..<50 { tar.addFile("tmp/x-\(index)", String(repeating: "more \(index) ", count: 100)) }
        return tar.finish()
    }()

    private static func tree(_ image: Image) async throws -> [TreeListing] {
        var trees: [TreeListing] = []
        for layer in image.layers {
            let mount = try await KernelMount.erofs(FilePath(layer.path))
            trees.append(try TreeListing(mount.path))
        }
        return trees
    }

    private static func kernels(_ test: TestBackend, _ image: Image) async throws -> [String] {
        var kernels: [String] = []
        for layer in image.layers {
            kernels.append(
                try #require(try await test.store.blob(layer.key, leasedBy: nil)).minimumGuestKernel
            )
        }
        return kernels
    }

    /// An image made for Linux 6.1 and a backend for an older one on the same store.
    private static func lowered(
        to kernel: GuestKernel
    ) async throws -> (first: TestBackend, second: TestBackend, image: Image) {
        let first = try TestBackend()
        let image = try await first.importing("web", base, site, source: .inbox("web.tar"))
        #expect(try await kernels(first, image) == ["6.1", "6.1"])
        #expect(image.layers[1].key.inheritance != nil)
        let second = try TestBackend(at: first.folder.appending("store"), guestKernel: kernel)
        return (first, second, image)
    }

    @Test(
        "layers within the setting need no more than it says",
        arguments: ["5.4", "5.15", "5.17", "6.1", "6.12"]
    )
    func within(setting: String) async throws {
        let kernel = try #require(GuestKernel(setting))
        let test = try TestBackend(guestKernel: kernel)
        let image = try await test.importing("web", Self.base, Self.site)
        for needed in try await Self.kernels(test, image) {
            #expect(try #require(GuestKernel(needed)) <= kernel)
        }
        #expect(try await test.store.verifyBlobs(examinations: [.structure]) == [])
    }

    @Test("rendering a VM writes its layers anew, under their keys, and the guest sees the same")
    func rendered() async throws {
        let (first, second, image) = try await Self.lowered(to: .chunks)
        let before = try await Self.tree(image)
        let vm = VMImage(name: "a", selection: .bound(image: image.digest, keys: image.layers.map(\.key)))
        let configuration = try #require(try await second.backend.config([vm]).first)
        #expect(configuration.keys == image.layers.map(\.key) && configuration.boot != nil)
        let after = try #require(try await second.backend.inspect("web"))
        #expect(after.layers.map(\.path) == image.layers.map(\.path))
        for kernel in try await Self.kernels(second, after) {
            #expect(try #require(GuestKernel(kernel)) <= .chunks)
        }
        #expect(try await Self.tree(after) == before)
        #expect(try await second.store.verifyBlobs(examinations: [.structure]) == [])
        let sizes = try configuration.storage.map { try FileStatus.of($0.path)?.size }
        // The second time there is nothing to do.
        _ = try await second.backend.config([vm])
        #expect(try configuration.storage.map { try FileStatus.of($0.path)?.size } == sizes)
        withExtendedLifetime(first) {}
    }

    @Test("importing the image again does so too")
    func imported() async throws {
        let (first, second, image) = try await Self.lowered(to: GuestKernel(5, 4))
        let again = try await second.importing("web", Self.base, Self.site, source: .inbox("web.tar"))
        #expect(again.layers.map(\.key) == image.layers.map(\.key))
        for kernel in try await Self.kernels(second, again) { #expect(kernel == "5.4") }
        #expect(try await second.store.verifyBlobs(examinations: [.structure]) == [])
        withExtendedLifetime(first) {}
    }

    @Test("a layer is written anew without its tar, and a variant for another base is made of it")
    func otherBase() async throws {
        let (first, second, image) = try await Self.lowered(to: .chunks)
        let vm = VMImage(name: "a", selection: .bound(image: image.digest, keys: image.layers.map(\.key)))
        _ = try await second.backend.config([vm])
        var other = TarBuilder()
        other.addDirectory("tmp/", mode: 0o1755)
        let image2 = try await second.importing("other", other.finish(), Self.site)
        #expect(
            image2.layers[1].key != image.layers[1].key && image2.layers[1].diffID == image.layers[1].diffID
        )
        #expect(try await second.store.verifyBlobs(examinations: [.structure]) == [])
        withExtendedLifetime(first) {}
    }
}
