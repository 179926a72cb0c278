import Host
import OCI
import SystemPackage
import Testing

@testable import Store

@Suite("Verification and usage")
struct VerificationTests {
    let fixture: StoreFixture
    var store: Store { fixture.store }

    init() throws { fixture = try StoreFixture() }

    @Test("a flipped byte, a missing boot file and a cut file are found and named with their images and VMs")
    func findsDamage() async throws {
        let workspace = try await store.openWorkspace("import")
        try await fixture.commit("boot", boot: ["vmlinuz"], in: workspace)
        let image = try await fixture.image("i", ["good", "flipped", "cut", "boot"])
        try await store.setVM(StoreFixture.vm("vm", image))
        #expect(try await store.verifyBlobs().isEmpty)
        var bytes = StoreFixture.content("flipped")
        bytes[100] ^= 1
        try StoreFixture.write(bytes, to: fixture.layout.blob(StoreFixture.key("flipped")))
        try StoreFixture.write([1], to: fixture.layout.blob(StoreFixture.key("cut")))
        try Directory.unlink(fixture.layout.bootDirectory(StoreFixture.key("boot")).appending("vmlinuz"))
        let problems = try await store.verifyBlobs()
        #expect(
            Dictionary(uniqueKeysWithValues: problems.map { ($0.key, $0.kind) }) == [
                StoreFixture.key("flipped"): .digest, StoreFixture.key("cut"): .files,
                StoreFixture.key("boot"): .files,
            ]
        )
        #expect(problems.allSatisfy { $0.images == [image.digest] && $0.vms == ["vm"] })
    }

    @Test("a damaged blob is discarded and repaired by the next commit; a sound one is left alone")
    func discards() async throws {
        try await fixture.image("i", ["a", "b"])
        let key = StoreFixture.key("a")
        var bytes = StoreFixture.content("a")
        bytes[0] ^= 1
        try StoreFixture.write(bytes, to: fixture.layout.blob(key))
        #expect(try await store.discardDamagedBlob(key))
        #expect(try await store.discardDamagedBlob(StoreFixture.key("b")) == false)
        #expect(try await store.blob(key, leasedBy: nil) == nil)
        #expect(try await store.blob(StoreFixture.key("b"), leasedBy: nil) != nil)
        try await fixture.image("i", ["a"])
        #expect(try await store.verifyBlobs().isEmpty)
    }

    @Test("a damaged blob that another process repairs while it is looked at is not removed any more")
    func repairedMeanwhile() async throws {
        try await fixture.image("i", ["a"])
        let key = StoreFixture.key("a")
        let layout = fixture.layout
        let examination = BlobExamination(kind: .structure) { path in
            // A good copy takes the place: its record is the same.
            let copy = layout.temp.appending("copy")
            try StoreFixture.write(StoreFixture.content("a"), to: copy)
            try Directory.rename(copy, to: path)
            return "damaged when it was read"
        }
        #expect(try await store.discardDamagedBlob(key, examinations: [examination]) == false)
        #expect(try await store.blob(key, leasedBy: nil) != nil)
        #expect(try await store.verifyBlobs().isEmpty)
    }

    @Test("usage tells what an image has for itself and what it shares")
    func usage() async throws {
        let first = try await fixture.image("1", ["shared", "own", "own"])
        let second = try await fixture.image("2", ["shared"])
        let usage = try await store.usage()
        let size = { (word: String) in UInt64(StoreFixture.content(word).count) }
        let images = Dictionary(uniqueKeysWithValues: usage.images.map { ($0.digest, $0) })
        #expect(images[first.digest]?.uniqueBytes == size("own"))
        #expect(images[first.digest]?.sharedBytes == size("shared"))
        #expect(images[second.digest]?.uniqueBytes == 0)
        #expect(usage.blobBytes == size("own") + size("shared"))
        #expect(usage.indexBytes > 0)
    }
}
