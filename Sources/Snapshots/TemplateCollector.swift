import GarbageCollection
import Host
import SystemPackage

/// Collects templates of sizes that no disk has any more. Whoever needs one again makes it again.
struct TemplateCollector: Module {
    /// A template that no disk is a copy of.
    struct Unused: Sendable {
        var name: String
        var bytes: UInt64
    }

    /// Where templates lie.
    let folder: FilePath
    /// The folder of VMs.
    let vms: FilePath

    var name: String { "templates" }

    func snapshot() async throws -> [Unused] {
        try await onThread(named: "templates") { _ in try unused() }
    }

    func resolve(_ snapshot: [Unused], others: GarbageCollection.Snapshots) throws -> [Candidate] {
        snapshot.map {
            Candidate(kind: "template", id: $0.name, reason: "no disk has this size", bytes: $0.bytes)
        }
    }

    func collect(_ candidates: [Candidate]) async throws -> [Collected] {
        guard !candidates.isEmpty else { return [] }
        return try await onThread(named: "templates") { _ in
            let unused = Set(try unused().map(\.name))
            return try candidates.filter { unused.contains($0.id) }.map { candidate in
                // Whoever copies from it has it open, and goes on.
                try Directory.unlink(folder.appending(candidate.id))
                return Collected(candidate: candidate, bytes: candidate.bytes)
            }
        }
    }

    private func unused() throws(FileError) -> [Unused] {
        var names: [String: UInt64?] = [:]
        do {
            for name in try Directory.names(in: folder).map(\.string) where name.hasSuffix(".raw") {
                names[name] = .some(DiskTemplates.size(name))
            }
        } catch  where error.errno == .noSuchFileOrDirectory {
            return []
        }
        try strikeOutUsed(&names, in: vms)
        try strikeOutUsed(&names, in: vms.appending(".retired"))
        var unused: [Unused] = []
        for name in names.keys.sorted() where !name.hasPrefix(".") {
            let bytes = try FileStatus.of(folder.appending(name))?.allocatedBytes ?? 0
            unused.append(Unused(name: name, bytes: bytes))
        }
        return unused
    }

    /// Looks at VM after VM until every template is accounted for, which is soon, where all are used.
    private func strikeOutUsed(_ names: inout [String: UInt64?], in vms: FilePath) throws(FileError) {
        guard !names.isEmpty else { return }
        let entries: [FilePath.Component]
        do { entries = try Directory.names(in: vms) } catch  where error.errno == .noSuchFileOrDirectory {
            return
        }
        for entry in entries where !entry.string.hasPrefix(".") {
            let machine = VMFolder(vms.appending(entry))
            guard try FileStatus.of(machine.path)?.kind == .directory else { continue }
            for disk in try machine.disks() {
                guard let size = try FileStatus.of(disk)?.size else { continue }
                names = names.filter { $0.value != size }
                if names.isEmpty { return }
            }
        }
    }
}
