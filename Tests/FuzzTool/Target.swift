import CLibFuzzer
import Glibc
import Host
import SystemPackage

/// Something that takes any bytes at all: it must not trap, hang, grow, or contradict itself.
struct Target: Sendable {
    /// Its name on the command line.
    let name: String
    /// Inputs to begin with.
    let seeds: @Sendable () throws -> [(name: String, bytes: [UInt8])]
    /// Runs one input.
    let one: libfuzzer_one
    /// Makes a mutated input pass its first check again.
    let repair: libfuzzer_repair?

    static let all = [tar, inflate, image, layer]

    func writeSeeds(to folder: FilePath) throws {
        try Directory.create(folder)
        for (name, bytes) in try seeds() {
            let file = try File(folder.appending(name), .writeOnly, options: [.create, .truncate])
            try bytes.withUnsafeBytes { try file.writeAll($0) }
        }
    }

    func run(file path: FilePath) throws {
        let bytes = try AtomicFile.read(path, limit: 1 << 30) ?? []
        _ = bytes.withUnsafeBufferPointer { one($0.baseAddress, $0.count) }
    }

    func fuzz(_ arguments: [String]) -> Int32 {
        var pointers = ([CommandLine.arguments[0]] + arguments).map { strdup($0) }
        pointers.append(nil)
        return pointers.withUnsafeMutableBufferPointer {
            libfuzzer_run(Int32($0.count - 1), $0.baseAddress, one, repair)
        }
    }
}

/// Ends the process as a finding: an answer of ours that cannot be.
func finding(_ what: String) -> Never { fatalError(what) }

extension Array<UInt8> {
    init(_ data: UnsafePointer<UInt8>?, _ size: Int) {
        self.init(UnsafeBufferPointer(start: data, count: size))
    }
}

/// A file in memory that is used again and again.
///
/// Unchecked: libFuzzer runs one input at a time, on one thread.
final class ScratchFile: @unchecked Sendable {
    let file: File

    init(_ name: String) {
        // Memory, not a disk, and gone with the process.
        let path = FilePath("/dev/shm/slipway-fuzz-\(name)-\(getpid())")
        do { file = try File(path, .readWrite, options: [.create, .exclusiveCreate]) } catch {
            finding("\(error)")
        }
        unlink(path.string)
    }

    /// Makes the file hold these bytes and nothing else.
    func hold(_ bytes: UnsafeRawBufferPointer) {
        guard ftruncate(file.descriptor.rawValue, 0) == 0, lseek(file.descriptor.rawValue, 0, SEEK_SET) == 0
        else { finding("ftruncate: errno \(errno)") }
        do { try file.writeAll(bytes) } catch { finding("\(error)") }
    }
}
