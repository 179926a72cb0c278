import Archives
import Dispatch
import Host
import OCI
import Synchronization
import TestSupport
import Testing

@Suite("Read-ahead source")
struct ReadAheadSourceTests {
    @Test("gives the same bytes in the same order", arguments: [(1, 1), (7, 2), (4096, 8), (1 << 20, 3)])
    func order(bufferSize: Int, buffers: Int) throws {
        let bytes = TarCorpus.noise(50_000)
        let source = ReadAheadSource(
            MemorySource(bytes, chunk: 1000),
            name: "x",
            bufferSize: bufferSize,
            buffers: buffers
        )
        #expect(try readAll(source, bufferSize: 777) == bytes)
        #expect(try readAll(source).isEmpty)
    }

    @Test("an error arrives after the bytes before it, and repeats")
    func errors() throws {
        let source = ReadAheadSource(Failing(after: 3), name: "x", bufferSize: 10)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
        defer { buffer.deallocate() }
        var count = 0
        while count < 30 { count += try source.read(into: buffer) }
        #expect(count == 30)
        for _ in 0..<2 {
            let error = #expect(throws: ArchiveError.self) { _ = try source.read(into: buffer) }
            #expect(error?.message == "made to fail")
        }
    }

    @Test("a digest below it is complete once the end was read")
    func digest() throws {
        let digesting = DigestingSource(MemorySource(Array("abc".utf8)))
        let source = ReadAheadSource(digesting, name: "x")
        _ = try readAll(source)
        let (digest, bytes) = digesting.finish()
        #expect(digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(bytes == 3)
    }

    @Test("lends its buffers, and what was not copied of one", arguments: [1, 3])
    func lending(buffers: Int) throws {
        let bytes = TarCorpus.noise(25)
        let source = ReadAheadSource(MemorySource(bytes), name: "x", bufferSize: 10, buffers: buffers)
        var first = [UInt8](repeating: 0, count: 4)
        #expect(try first.withUnsafeMutableBytes { try source.read(into: $0) } == 4)
        var lent: [[UInt8]] = []
        while case let buffer = try source.lend(), !buffer.isEmpty { lent.append(Array(buffer)) }
        #expect(lent.map(\.count) == [6, 10, 5])
        #expect(first + lent.joined() == bytes)
        #expect(try source.lend().isEmpty)
    }

    @Test("takes the digest of everything, whether it was read or not", arguments: [0, 5_000, 50_000])
    func digestOfAll(readBefore: Int) throws {
        let bytes = TarCorpus.noise(50_000)
        let source = ReadAheadSource(MemorySource(bytes, chunk: 999), name: "x", bufferSize: 1000, buffers: 2)
        var taken = 0
        while taken < readBefore { taken += try source.lend().count }
        let (digest, count) = try source.finishDigest()
        #expect(digest == Digest.sha256(of: bytes) && count == 50_000)
    }

    @Test("there is no digest of a stream that failed")
    func noDigest() throws {
        let source = ReadAheadSource(Failing(after: 3), name: "x", bufferSize: 10)
        let error = #expect(throws: ArchiveError.self) { _ = try source.finishDigest() }
        #expect(error?.message == "made to fail")
    }

    @Test("reads no further ahead than its buffers")
    func bounded() throws {
        let endless = Endless()
        let source = ReadAheadSource(endless, name: "x", bufferSize: 10, buffers: 3)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 1)
        defer { buffer.deallocate() }
        for taken in 0..<5 {
            // A fourth read can begin only when a buffer was taken, and each begins after the one before.
            endless.wasRead.wait()
            #expect(endless.reads.load(ordering: .acquiring) <= taken + 3)
            #expect(try source.read(into: buffer) == 10)
        }
    }

    @Test("its thread ends and releases upstream when nobody reads on")
    func release() throws {
        let gone = DispatchSemaphore(value: 0)
        do {
            let source = ReadAheadSource(Endless { gone.signal() }, name: "x", bufferSize: 10, buffers: 2)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 5, alignment: 1)
            defer { buffer.deallocate() }
            #expect(try source.read(into: buffer) == 5)
        }
        gone.wait()
    }

    @Test("cancelling wakes a reader that waits for an upstream that gives nothing")
    func cancellation() throws {
        let stuck = Stuck()
        defer { stuck.resume.signal() }
        let cancellation = Cancellation()
        let source = ReadAheadSource(stuck, name: "slow.tar", cancellation: cancellation)
        let isStuck = stuck.isStuck
        try startThread(named: "canceller") {
            isStuck.wait()
            cancellation.cancel()
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 5, alignment: 1)
        defer { buffer.deallocate() }
        let error = #expect(throws: ArchiveError.self) { _ = try source.read(into: buffer) }
        #expect(error?.code == .cancelled)
    }
}

private final class Failing: ByteSource {
    private var left: Int

    init(after reads: Int) { left = reads }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        guard left > 0 else { throw ArchiveError(.io, "made to fail") }
        left -= 1
        return buffer.count
    }
}

private final class Endless: ByteSource {
    let reads = Atomic<Int>(0)
    let wasRead = DispatchSemaphore(value: 0)
    private let onRelease: () -> Void

    init(onRelease: @escaping () -> Void = {}) { self.onRelease = onRelease }

    deinit { onRelease() }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        reads.add(1, ordering: .acquiringAndReleasing)
        wasRead.signal()
        return buffer.count
    }
}

private final class Stuck: ByteSource {
    let isStuck = DispatchSemaphore(value: 0)
    let resume = DispatchSemaphore(value: 0)

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        isStuck.signal()
        resume.wait()
        return 0
    }
}
