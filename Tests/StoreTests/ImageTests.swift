import Host
import OCI
import SystemPackage
import Testing

@testable import Store

@Suite("Images, claims and pins")
struct ImageTests {
    let fixture: StoreFixture
    var store: Store { fixture.store }

    init() throws { fixture = try StoreFixture() }

    private func meaning(_ reference: String) async throws -> Digest? {
        try await store.image(reference: reference)?.record.digest
    }

    @Test("an image comes back as it was committed, by any of its digests and by prefix")
    func lookups() async throws {
        let index = Digest.sha256(of: [9])
        let workspace = try await store.openWorkspace("import")
        for word in ["a", "b"] {
            try await fixture.commit(word, boot: word == "a" ? ["vmlinuz"] : [], in: workspace)
        }
        let image = StoreFixture.imageRecord("i", ["a", "b", "a"], index: [index])
        try await store.commitImage(
            image,
            references: ["localhost/i:latest"],
            source: .inbox("i.tar"),
            replacing: true
        )
        let stored = try #require(try await store.image(image.digest))
        #expect(stored.record == image)
        #expect(stored.references == ["localhost/i:latest"])
        #expect(stored.pins == [.inbox("i.tar")])
        #expect(stored.unpinnedAt == nil)
        // A layer that is there twice takes its place once; `vmlinuz` has 64 bytes.
        #expect(stored.size == UInt64(2 * StoreFixture.content("a").count + 64))
        for digest in [index, image.configDigest] { #expect(try await store.image(digest) == stored) }
        #expect(try await store.images(digestPrefix: String(image.digest.hex.prefix(12))) == [stored])
        #expect(try await store.images(digestPrefix: "%").isEmpty)
        #expect(try await store.image(.sha256(of: [7])) == nil)
        #expect(try await store.references() == ["localhost/i:latest": image.digest])
        #expect(try await store.images() == [stored])
    }

    @Test("an image whose layer is not in the store is refused, and nothing of it is kept")
    func missingLayer() async throws {
        let image = StoreFixture.imageRecord("i", ["a"])
        let error = try await storeError {
            try await store.commitImage(image, references: ["r"], source: .hand, replacing: false)
        }
        #expect(error?.code == .missingBlob)
        #expect(error?.message.contains("\(StoreFixture.key("a"))") == true)
        #expect(try await store.images().isEmpty)
        #expect(try await store.claims().isEmpty)
    }

    @Test(
        "inbox comes before queue, the newest of a kind wins, and the next holds again when the winner leaves"
    )
    func precedence() async throws {
        let queued = try await fixture.image("q", ["a"], references: ["r"], source: .queue("r"))
        let old = try await fixture.image("old", ["a"], references: ["r"], source: .inbox("1.tar"))
        let new = try await fixture.image("new", ["a"], references: ["r"], source: .inbox("2.tar"))
        try await store.commitImage(queued, references: ["r"], source: .queue("r"), replacing: true)
        #expect(try await meaning("r") == new.digest)
        #expect(try await store.claims().map(\.source) == [.inbox("2.tar"), .inbox("1.tar"), .queue("r")])
        try await store.commitImage(old, references: ["r"], source: .hand, replacing: false)
        #expect(try await meaning("r") == old.digest)
        try await store.commitImage(new, references: ["r"], source: .inbox("2.tar"), replacing: true)
        #expect(try await meaning("r") == new.digest)
        try await store.release(.inbox("2.tar"))
        #expect(try await meaning("r") == old.digest)
        try await store.release(.hand)
        try await store.release(.inbox("1.tar"))
        #expect(try await meaning("r") == queued.digest)
        try await store.release(.queue("r"))
        #expect(try await meaning("r") == nil)
    }

    @Test("replacing lets go of the source's other references and images; not replacing keeps them")
    func replacing() async throws {
        let first = try await fixture.image("1", ["a"], references: ["x", "y"], source: .inbox("i"))
        let second = try await fixture.image(
            "2",
            ["b"],
            references: ["y"],
            source: .inbox("i"),
            replacing: false
        )
        #expect(try await store.image(first.digest)?.references == ["x"])
        #expect(try await store.image(first.digest)?.pins == [.inbox("i")])
        try await store.commitImage(second, references: ["y"], source: .inbox("i"), replacing: true)
        let left = try #require(try await store.image(first.digest))
        #expect(left.references.isEmpty && left.pins.isEmpty && left.unpinnedAt != nil)
    }

    @Test("the last pin to go starts the grace, a new one ends it")
    func pins() async throws {
        let image = try await fixture.image("i", ["a"], source: .inbox("i"))
        try await store.pin(image.digest, by: .hand)
        #expect(try await store.release(.inbox("i")).isEmpty)
        fixture.machine.advance(.seconds(60))
        try await store.unpin(image.digest, by: .hand)
        let since = try #require(try await store.image(image.digest)?.unpinnedAt)
        fixture.machine.advance(.seconds(60))
        try await store.unpin(image.digest, by: .hand)
        #expect(try await store.image(image.digest)?.unpinnedAt == since, "the grace runs from the last pin")
        try await store.pin(image.digest, by: .hand)
        #expect(try await store.image(image.digest)?.unpinnedAt == nil)
        #expect(try await store.release(.hand) == [image.digest])
        let error = try await storeError { try await store.pin(.sha256(of: [1]), by: .hand) }
        #expect(error?.code == .notFound)
    }

    @Test("removing an image takes everything of it but its blobs, unless a VM is bound to it")
    func remove() async throws {
        let image = try await fixture.image("i", ["a"], references: ["r"])
        try await store.setVM(StoreFixture.vm("vm", image))
        let error = try await storeError { _ = try await store.removeImage(image.digest) }
        #expect(error?.code == .inUse)
        #expect(error?.message.contains("vm") == true)
        try await store.removeVM("vm")
        #expect(try await store.removeImage(image.digest))
        #expect(try await store.removeImage(image.digest) == false)
        #expect(try await store.claims().isEmpty)
        #expect(try !exists(fixture.layout.image(image.digest)))
        #expect(try await store.blob(StoreFixture.key("a"), leasedBy: nil) != nil)
    }

    @Test("an image's document follows its claims, its pin by hand and its VMs")
    func document() async throws {
        let image = try await fixture.image("i", ["a"], references: ["r"], source: .queue("r"))
        let path = fixture.layout.image(image.digest)
        func document() throws -> ImageDocument {
            try JSON.decode(ImageDocument.self, from: try #require(try AtomicFile.read(path)))
        }
        #expect(try document().record == image)
        #expect(try document().claims.map(\.reference) == ["r"])
        #expect(try document().isPinnedByHand == false)
        try await store.pin(image.digest, by: .hand)
        let vm = StoreFixture.vm("vm", image)
        try await store.setVM(vm)
        _ = try await store.tick()
        #expect(try document().isPinnedByHand)
        #expect(try document().vms == [vm])
    }

    @Test("sources are remembered as they were set")
    func sources() async throws {
        var record = SourceRecord(
            source: .inbox("a"),
            identity: "1 2 3",
            digest: .sha256(of: [1]),
            image: .sha256(of: [2]),
            state: .failed,
            attempts: 3,
            nextTry: StoreTime(nanoseconds: 7),
            errorCode: "io",
            message: "no",
            absentSince: StoreTime(nanoseconds: 8)
        )
        try await store.setSource(record)
        record.state = .done
        record.nextTry = nil
        try await store.setSource(record)
        #expect(try await store.sources() == [record])
        try await store.removeSource(record.source)
        #expect(try await store.sources().isEmpty)
    }

    @Test("sources and pins are found by what their written form starts with, and by nothing else")
    func prefixes() async throws {
        let image = try await fixture.image("i", ["a"])
        let all = [
            "inbox/", "inbox/.", "inbox/a", "inbox/é", "inbox/\u{10FFFF}", "inbox0", "inbo", "queue/a",
        ]
        for source in all.map(Source.init) {
            try await store.setSource(SourceRecord(source: source, identity: "", state: .done))
            try await store.pin(image.digest, by: source)
        }
        let expected = Set(all.filter { $0.hasPrefix("inbox/") })
        #expect(Set(try await store.sources(startingWith: "inbox/").map(\.source.rawValue)) == expected)
        #expect(
            Set(try await store.pins(ofSourcesStartingWith: "inbox/").keys.map(\.rawValue)) == expected
        )
        #expect(try await store.sources().count == all.count)
    }

    @Test("an image's digest and record are told without what refers to it")
    func withoutRelations() async throws {
        let image = try await fixture.image("i", ["a", "b", "a"], references: ["localhost/i:1"])
        #expect(try await store.imageDigest(knownAs: image.configDigest) == image.digest)
        #expect(try await store.imageDigest(reference: "localhost/i:1") == image.digest)
        #expect(try await store.imageDigests(prefix: String(image.digest.hex.prefix(12))) == [image.digest])
        #expect(try await store.imageRecord(image.digest) == image)
        let unknown = Digest.sha256(of: "unknown".utf8)
        #expect(try await store.imageDigest(knownAs: unknown) == nil)
        #expect(try await store.imageDigest(reference: "localhost/i:2") == nil)
        #expect(try await store.imageRecord(unknown) == nil)
        // A repeated layer takes its place once.
        let size = UInt64(StoreFixture.content("a").count + StoreFixture.content("b").count)
        #expect(try await store.image(image.digest)?.size == size)
    }
}
