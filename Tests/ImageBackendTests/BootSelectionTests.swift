import OCI
import Store
import Testing

@testable import ImageBackend

@Suite("The kernel and initramfs of an image")
struct BootSelectionTests {
    private let bottom = LayerKey(diffID: Digest.sha256(of: [0]))
    private let top = LayerKey(diffID: Digest.sha256(of: [1]))

    private func listing(_ folder: BootListing.Folder, _ names: [String: BootListing.Entry.Kind])
        -> BootListing
    {
        BootListing(folder: folder, entries: names.map { .init(name: $0.key, kind: $0.value) })
    }

    private func files(_ names: String...) -> BootListing {
        listing(.merged, Dictionary(uniqueKeysWithValues: names.map { ($0, .file(size: 1)) }))
    }

    @Test("are the highest version that has both")
    func highest() {
        let boot = files(
            "vmlinuz-6.1.0-9-amd64",
            "initrd.img-6.1.0-9-amd64",
            "vmlinuz-6.1.0-10-amd64",
            "initrd.img-6.1.0-10-amd64",
            "vmlinuz-6.2.0"
        )
        let selected = BootSelection([(bottom, boot)])
        #expect(selected?.version == "-6.1.0-10-amd64")
        #expect(selected?.kernel == .init(layer: bottom, name: "vmlinuz-6.1.0-10-amd64"))
        #expect(selected?.initrd == .init(layer: bottom, name: "initrd.img-6.1.0-10-amd64"))
    }

    @Test("may come from different layers")
    func acrossLayers() {
        let selected = BootSelection([(bottom, files("vmlinuz-6.1")), (top, files("initrd.img-6.1"))])
        #expect(selected?.kernel.layer == bottom)
        #expect(selected?.initrd.layer == top)
    }

    @Test("are none without a pair, and never names that end in .old")
    func none() {
        #expect(BootSelection([(bottom, files("vmlinuz-6.1", "initrd.img-6.2"))]) == nil)
        #expect(BootSelection([(bottom, files("vmlinuz.old", "initrd.img.old", "vmlinuz-6.1.old"))]) == nil)
        #expect(BootSelection([]) == nil)
    }

    @Test("are reached through symbolic links within /boot, of which loops are none")
    func links() {
        let boot = listing(
            .merged,
            [
                "vmlinuz": .symbolicLink(target: "vmlinuz-6.1"), "vmlinuz-6.1": .file(size: 1),
                "initrd.img": .symbolicLink(target: "/boot/./ramdisk"), "ramdisk": .file(size: 1),
            ]
        )
        let selected = BootSelection([(bottom, boot)])
        #expect(selected?.kernel.name == "vmlinuz-6.1")
        #expect(selected?.initrd.name == "ramdisk")
        let loop = listing(
            .merged,
            [
                "vmlinuz": .symbolicLink(target: "vmlinuz"),
                "initrd.img": .symbolicLink(target: "../etc/initrd"),
            ]
        )
        #expect(BootSelection([(bottom, loop)]) == nil)
    }

    @Test("respect whiteouts, replaced folders and empty files")
    func hidden() {
        let whole = files("vmlinuz-6.1", "initrd.img-6.1", "vmlinuz-6.0", "initrd.img-6.0")
        let without = listing(.merged, ["vmlinuz-6.1": .whiteout])
        #expect(BootSelection([(bottom, whole), (top, without)])?.version == "-6.0")
        #expect(BootSelection([(bottom, whole), (top, BootListing(folder: .replaced))]) == nil)
        #expect(BootSelection([(bottom, whole), (top, BootListing())])?.version == "-6.1")
        let empty = listing(.merged, ["initrd.img-6.1": .file(size: 0)])
        #expect(BootSelection([(bottom, whole), (top, empty)])?.version == "-6.0")
    }

    @Test("have versions ordered by value, a release candidate before its release")
    func versions() {
        let ordered = [
            "", "-5.10.0", "-6.1.0-rc2", "-6.1.0", "-6.1.0-9", "-6.1.0-10", "-6.9", "-6.10~rc1", "-6.10",
        ]
        for (low, high) in zip(ordered, ordered.dropFirst()) {
            #expect(KernelVersion(low) < KernelVersion(high), "\(low) < \(high)")
            #expect(!(KernelVersion(high) < KernelVersion(low)), "not \(high) < \(low)")
        }
    }
}
