import Foundation
import Host
import OCI
import Store
import SystemPackage
import Testing

@testable import Ingest

@Suite("The order of imports")
struct ImportQueueTests {
    private func work(_ name: String, size: UInt64 = 1) -> InboxPlan.Import {
        let stamp = FileIdentity(inode: 1, size: size, modified: 1, changed: 1)
        let item = InboxItem(
            name: name,
            stamp: stamp,
            identity: "\(stamp)",
            size: size,
            files: [name],
            standing: .settled
        )
        return InboxPlan.Import(item: item, reference: "localhost/\(name)", reason: .new, record: nil)
    }

    @Test("a file dropped after thousands is next but one, and the oldest are not forgotten")
    func newest() {
        var queue = ImportQueue()
        queue.replace((0..<1000).map { work("\($0)") } + [work("new")])
        let order = (0..<4).compactMap { _ in queue.next(running: 0, runningLarge: 0, limit: 1)?.item.name }
        #expect(order == ["0", "new", "1", "999"])
        #expect(queue.count == 997)
    }

    @Test("large imports leave a job to the small ones, and get their turn among them")
    func lanes() {
        var queue = ImportQueue()
        let large = ImportQueue.largeSize
        queue.replace((0..<3).map { work("large\($0)", size: large) } + (0..<8).map { work("small\($0)") })
        #expect(queue.next(running: 1, runningLarge: 1, limit: 2)?.item.name.hasPrefix("small") == true)
        var turns: [Bool] = []
        while let next = queue.next(running: 0, runningLarge: 0, limit: 2) {
            turns.append(ImportQueue.isLarge(next))
        }
        #expect(turns.prefix(4) == [false, false, false, true])
        #expect(turns.count { $0 } == 3)

        queue.replace([work("large", size: large)])
        #expect(queue.next(running: 1, runningLarge: 1, limit: 2) == nil)
        #expect(queue.next(running: 1, runningLarge: 0, limit: 1) == nil)
        #expect(queue.next(running: 0, runningLarge: 0, limit: 1) != nil)
    }
}

@Suite("The small rules of the inbox")
struct IngestPartsTests {
    @Test("backoff doubles from 10 s to 5 min, a fifth more or less")
    func backoff() {
        var generator = SystemRandomNumberGenerator()
        for (attempts, seconds) in [(1, 10), (2, 20), (3, 40), (6, 300), (1000, 300)] {
            let delay = Backoff().delay(afterAttempts: attempts, using: &generator)
            #expect(delay >= .seconds(seconds) * 0.8 && delay <= .seconds(seconds) * 1.2)
        }
    }

    @Test("patterns of references cover names with and without a tag")
    func patterns() {
        #expect(ReferencePatterns(["*"]).allow("docker.io/library/nginx:1"))
        let some = ReferencePatterns(["localhost/*", "r.example:5000/team/web", "r.example/v?:1"])
        #expect(some.allow("localhost/a/b:latest") && some.allow("r.example:5000/team/web:3"))
        #expect(
            some.allow("r.example/v1:1") && !some.allow("r.example/v1:2") && !some.allow("r.example/v10:1")
        )
        #expect(!some.allow("r.example:5000/team/webs:3") && !ReferencePatterns([]).allow("localhost/a"))
    }

    @Test("layers are ordered by number, then by name")
    func order() {
        let names = ["b.tar", "10-c.tar", "2-b.tar", "02-a.tar", "a.tar"]
        #expect(
            names.sorted(by: InboxName.precedes) == ["02-a.tar", "2-b.tar", "10-c.tar", "a.tar", "b.tar"]
        )
    }

    @Test("a sidecar is read in every form that tools write")
    func sidecars() throws {
        let digest = Digest.sha256(of: "x".utf8)
        let other = Digest.sha256(of: "y".utf8)
        for text in [
            digest.hex, "\(digest.hex)\r\n", "\(digest.hex)  web.tar\n", "\(digest.hex) *./dir/web.tar",
            "sha256:\(digest.hex)", "SHA256 (web.tar) = \(digest.hex)", digest.hex.uppercased(),
            "\(other.hex)  other.tar\n\(digest.hex)  web.tar\n",
        ] {
            #expect(try Sidecar.digest(in: text, for: "web.tar") == digest, "\(text)")
        }
        #expect(throws: Sidecar.Problem.empty) { try Sidecar.digest(in: " \n", for: "web.tar") }
        for text in ["deadbeef", "\(digest.hex)  other.tar", "\(digest.hex)\n\(other.hex)", "<html>"] {
            #expect(throws: Sidecar.Problem.malformed) { try Sidecar.digest(in: text, for: "web.tar") }
        }
    }

    @Test("a receipt's name is the item's, encoded, and hashed when it would be too long")
    func receiptNames() {
        #expect(ReceiptName.of("web@1.2.tar.gz") == "web@1.2.tar.gz.json")
        #expect(ReceiptName.of("a%2Fb c/ü~.tar") == "a%252Fb%20c%2F%C3%BC%7E.tar.json")
        let long = [String(repeating: "a", count: 255), String(repeating: "a", count: 254) + "b"]
        let names = long.map(ReceiptName.of)
        #expect(names[0] != names[1] && names.allSatisfy { $0.utf8.count <= 255 && $0.hasSuffix(".json") })
    }

    @Test("a receipt reads as the contract says")
    func receipt() throws {
        let receipt = Receipt(
            item: "a.tar",
            state: .failed,
            errorCode: "notATar",
            message: "no",
            bytes: .init(input: 3)
        )
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(try receipt.encoded())) as? [String: Any]
        )
        #expect(object["schema"] as? Int == 1 && object["state"] as? String == "failed")
        #expect(object["errorCode"] as? String == "notATar" && object["attempts"] as? Int == 0)
        #expect((object["references"] as? [String])?.isEmpty == true && object["warnings"] != nil)
    }

    @Test("a reader that is too slow is told that it missed events")
    func slowReader() async {
        let (stream, continuation) = AsyncStream.makeStream(
            of: WatchEvent.self,
            bufferingPolicy: .bufferingOldest(2)
        )
        let subscriber = WatchSubscriber(continuation: continuation, fileSystem: FileSystemStatus.of)
        for index in 0..<5 {
            subscriber.deliver(
                WatchEvent(folder: "/inbox", name: FilePath.Component("\(index)"), kind: .created)
            )
        }
        var iterator = stream.makeAsyncIterator()
        #expect(await iterator.next()?.name == "0")
        #expect(await iterator.next()?.name == "1")
        subscriber.deliverOverflows()
        #expect(await iterator.next()?.kind == .overflow)
        subscriber.deliver(WatchEvent(folder: "/inbox", name: "6", kind: .created))
        #expect(await iterator.next()?.name == "6")
    }

    @Test("each watch gets a name that it never had")
    func spellings() {
        let names = (1...5000).map { WatchTable.spelling(of: "/inbox", generation: UInt32($0)) }
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.hasPrefix("/inbox/") && $0.allSatisfy { "/.inbox".contains($0) } })
    }
}
