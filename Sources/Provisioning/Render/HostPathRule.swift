import CloudHypervisor
import Documents
import Glibc
import Host
import SystemPackage

/// Which paths of the host a config may name: those in the VM's own folder, and those that the settings allow. What
/// Slipway itself renders (layers, kernel) is not asked.
struct HostPathRule {
    /// The VM's folder.
    let folder: FilePath
    /// Folders and files beside it.
    let allowed: [FilePath]

    /// Checks every path in a config that is not below `disks` or `payload`.
    func check(_ config: JSONValue) throws(RequestFile.Problem) {
        for (place, value) in Rules.hostPaths(in: config) {
            let top = place.prefix { $0 != "." && $0 != "[" }
            guard !MergePatch.forbiddenKeys.contains(String(top)) else { continue }
            guard let why = problem(with: FilePath(value)) else { continue }
            throw RequestFile.Problem(
                reason: .pathNotAllowed,
                message:
                    "cloudHypervisor: \(place): \(value) \(why); a config may name paths in \(folder) and in "
                    + "vms.allowPaths only"
            )
        }
    }

    /// What is wrong with a path; nil when it may be named.
    private func problem(with path: FilePath) -> String? {
        guard path.isAbsolute else { return "is not an absolute path" }
        guard path.components.allSatisfy({ $0.kind == .regular }) else { return "has '.' or '..' in it" }
        let places = [folder] + allowed
        guard places.contains(where: { path.starts(with: $0) }) else { return "is not allowed" }
        let target = path.resolvingSymbolicLinks()
        guard places.contains(where: { target.starts(with: $0.resolvingSymbolicLinks()) }) else {
            return "leads to \(target) by a symbolic link"
        }
        return nil
    }
}
