import GarbageCollection
import OCI
import Store
import Testing

@testable import ImageBackend

@Suite("Where space is short")
struct EvictionTests {
    /// A layer of content that does not compress; `name` makes it another.
    private func layer(_ name: String) -> [UInt8] {
        var state = name.utf8.reduce(UInt64(88_172_645_463_325_252)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let content = (0..<65536).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Character(Unicode.Scalar(UInt8(state % 95) + 32))
        }
        return tar([name: String(content)])
    }

    private func backend(maxBytes: UInt64) throws -> TestBackend {
        try TestBackend(
            unpinnedTTL: .seconds(3600),
            space: SpaceLimits(highWater: 100, lowWater: 99, maxBytes: maxBytes)
        )
    }

    private func images(_ test: TestBackend) async throws -> Set<Digest> {
        Set(try await test.backend.list().map(\.digest))
    }

    @Test(
        "images go within their grace, the one that was unpinned first before the others, and no more than needed"
    )
    func order() async throws {
        let test = try backend(maxBytes: 100_000)
        for name in ["a", "b", "c"] {
            try await test.importing(name, layer(name), source: .inbox("\(name).tar"))
        }
        #expect(try await test.collect().collected.isEmpty, "all are pinned, so nothing can be done")
        for name in ["b", "a"] { try await test.store.release(.inbox("\(name).tar")) }
        let report = try await test.collect()
        #expect(report.collected.map(\.candidate.kind) == ["image", "image", "blob", "blob"])
        #expect(report.collected.allSatisfy { $0.candidate.isEarly })
        #expect(try await test.backend.list().map(\.references) == [["localhost/c:latest"]])
    }

    @Test("what is enough is enough")
    func moderation() async throws {
        let test = try backend(maxBytes: 170_000)
        var kept: Set<Digest> = []
        for name in ["a", "b", "c"] {
            let image = try await test.importing(name, layer(name), source: .inbox("\(name).tar"))
            if name != "b" { kept.insert(image.digest) }
        }
        for name in ["b", "a"] { try await test.store.release(.inbox("\(name).tar")) }
        #expect(try await test.collect().bytes > 0)
        #expect(try await images(test) == kept)
        #expect(try await test.collect().candidates.isEmpty)
    }

    @Test("an image stays whose layers others need; of two that share theirs both go")
    func sharedLayers() async throws {
        let test = try backend(maxBytes: 1)
        let base = layer("base")
        let kept = [
            try await test.importing("pinned", base, tar(["more": ""]), source: .inbox("pinned.tar")),
            try await test.importing("base", base, source: .inbox("base.tar")),
        ]
        try await test.importing("twin1", layer("twins"), tar(["1": ""]), source: .inbox("twin1.tar"))
        try await test.importing("twin2", layer("twins"), tar(["2": ""]), source: .inbox("twin2.tar"))
        for name in ["base", "twin1", "twin2"] { try await test.store.release(.inbox("\(name).tar")) }
        _ = try await test.collect()
        #expect(try await images(test) == Set(kept.map(\.digest)))
        let files = try await test.files().filter { $0.hasSuffix(".erofs") }
        #expect(files.count == 2)
    }

    @Test("merged disks that no VM has go first, and are made anew when one is asked for")
    func mergedDisks() async throws {
        let test = try backend(maxBytes: 200_000)
        let image = try await test.importing("web", layer("a"), layer("b"), source: .inbox("web.tar"))
        let keys = image.layers.map(\.key)
        let disk = try await test.backend.mergedDisk(of: image.digest, keys: keys)
        try await test.store.release(.inbox("web.tar"))
        let report = try await test.collect()
        #expect(report.collected.map(\.candidate.kind) == ["merged"])
        #expect(try await test.backend.presentMergedDisk(keys: keys) == nil)
        #expect(try await test.backend.mergedDisk(of: image.digest, keys: keys).id == disk.id)
    }

    @Test("what a pin takes back between the plan and the deletion stays")
    func repinned() async throws {
        let test = try backend(maxBytes: 1)
        let image = try await test.importing("a", layer("a"), source: .inbox("a.tar"))
        try await test.store.release(.inbox("a.tar"))
        let planned = try await test.collect(dryRun: true).candidates
        #expect(planned.map(\.kind) == ["image", "blob"] && planned.allSatisfy(\.isEarly))
        try await test.store.pin(image.digest, by: .hand)
        let module = try #require(test.backend.gcModule as? ImageCollection)
        #expect(try await module.collect(planned).isEmpty)
        #expect(try await test.backend.inspect("a") == nil, "the reference was the inbox' own")
        #expect(try await test.backend.inspect(image.digest.description) != nil)
    }
}
