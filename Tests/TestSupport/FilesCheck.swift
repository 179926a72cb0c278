import Foundation
import Host
import SystemPackage

/// Looks at the files that a config names, as far as Cloud Hypervisor would fail with them at boot.
struct FilesCheck {
    /// Everything wrong with them.
    private(set) var problems: [String] = []

    init(_ config: [String: Any]) {
        let payload = config["payload"] as? [String: Any] ?? [:]
        for key in ["kernel", "initramfs"] {
            require(payload[key] as? String, "payload.\(key)")
        }
        for disk in config["disks"] as? [[String: Any]] ?? [] {
            let name = disk["serial"] as? String ?? "a disk"
            guard let size = require(disk["path"] as? String, name) else { continue }
            // A part of a sector at the end is hidden from the guest.
            if !size.isMultiple(of: 512) { problems.append("\(name) has \(size) bytes") }
        }
        for key in ["serial", "console"] {
            guard let file = (config[key] as? [String: Any])?["file"] as? String else { continue }
            requireFolder(of: file, key)
        }
        if let socket = (config["vsock"] as? [String: Any])?["socket"] as? String {
            requireFolder(of: socket, "vsock")
        }
    }

    @discardableResult
    private mutating func require(_ path: String?, _ what: String) -> UInt64? {
        do {
            guard let path, let status = try FileStatus.of(FilePath(path)), status.kind == .regular,
                status.size > 0
            else {
                problems.append("\(what) is no file: \(path ?? "nothing")")
                return nil
            }
            return status.size
        } catch {
            problems.append("\(what): \(error)")
            return nil
        }
    }

    private mutating func requireFolder(of path: String, _ what: String) {
        let folder = FilePath(path).removingLastComponent()
        let status = try? FileStatus.of(folder)
        if status?.kind != .directory { problems.append("\(what) has no folder \(folder)") }
    }
}
