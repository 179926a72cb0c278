import Glibc
import Host
import ImageBackend
import SystemPackage

/// One thing that the host should have, and whether it has.
public struct Examination: Sendable, Codable, Hashable {
    /// How it stands.
    public enum Verdict: String, Sendable, Codable {
        case good
        /// It works, but less well or only in part.
        case warning
        /// Something will fail.
        case bad
    }

    /// What was looked at.
    public var subject: String
    /// How it stands.
    public var verdict: Verdict
    /// What was found, and what to do where it is not good.
    public var message: String
}

/// Looks at what of the host the agent depends on.
public struct Doctor: Sendable {
    let settings: Settings
    let search: SearchPath

    /// A doctor for a host with these settings.
    ///
    /// - Parameter environment: PATH tells where programs are found.
    public init(_ settings: Settings, environment: [String: String]) {
        self.settings = settings
        search = SearchPath(path: environment["PATH"])
    }

    /// Looks at everything. Creates and changes nothing.
    public func examine() async -> [Examination] {
        var found = [kernel(), rootFolder(), fileSystem(), space(), mke2fs()]
        found += await erofsUtils()
        found += [watches(), leases(), kvm()]
        found += inputFolders() + registries() + bootProfiles()
        found += await externalRoots()
        return found
    }

    // MARK: The machine

    private func kernel() -> Examination {
        guard let text = read("/proc/sys/kernel/osrelease"), let version = KernelVersion(text) else {
            return Examination(subject: "kernel", verdict: .warning, message: "its version cannot be read")
        }
        let needed = KernelVersion(major: 5, minor: 10)
        return Examination(
            subject: "kernel",
            verdict: version >= needed ? .good : .bad,
            message: version >= needed
                ? "Linux \(text)" : "Linux \(text) is too old: \(needed) or later is needed"
        )
    }

    private func mke2fs() -> Examination {
        if let path = search.program("mke2fs") {
            return Examination(subject: "mke2fs", verdict: .good, message: "\(path)")
        }
        return Examination(
            subject: "mke2fs",
            verdict: .bad,
            message: "not found: writable disks need it; install e2fsprogs"
        )
    }

    /// The programs of erofs-utils that the settings ask for.
    private func erofsUtils() async -> [Examination] {
        var examinations: [Examination] = []
        for requirement in settings.erofsUtils {
            switch await requirement.look(in: search) {
            case .success(let tool):
                examinations.append(
                    Examination(
                        subject: tool.program.rawValue,
                        verdict: .good,
                        message: "\(tool.path), version \(tool.version)"
                    )
                )
            case .failure(let error):
                examinations.append(
                    Examination(
                        subject: requirement.program.rawValue,
                        verdict: .bad,
                        message: "\(error) (\(requirement.setting) asks for it)"
                    )
                )
            }
        }
        return examinations
    }

    /// Every watched folder takes one watch; an instance is taken per agent (inotify(7)).
    private func watches() -> Examination {
        let watches = number("/proc/sys/fs/inotify/max_user_watches") ?? 0
        let instances = number("/proc/sys/fs/inotify/max_user_instances") ?? 0
        let queue = number("/proc/sys/fs/inotify/max_queued_events") ?? 0
        guard watches >= 1024, instances >= 16, queue >= 1024 else {
            return Examination(
                subject: "inotify",
                verdict: .warning,
                message: "\(watches) watches, \(instances) instances, \(queue) queued events: raise "
                    + "fs.inotify.max_user_watches, max_user_instances and max_queued_events; without events "
                    + "inputs are polled"
            )
        }
        return Examination(
            subject: "inotify",
            verdict: .good,
            message: "\(watches) watches, \(instances) instances"
        )
    }

    private func leases() -> Examination {
        guard number("/proc/sys/fs/leases-enable") == 1 else {
            return Examination(
                subject: "file leases",
                verdict: .warning,
                message: "off (fs.leases-enable): files are taken only after inbox.settle"
            )
        }
        return Examination(subject: "file leases", verdict: .good, message: "on")
    }

    private func kvm() -> Examination {
        guard access("/dev/kvm", F_OK) == 0 else {
            return Examination(
                subject: "kvm",
                verdict: .warning,
                message: "/dev/kvm is not there: VMs cannot run on this host"
            )
        }
        return Examination(subject: "kvm", verdict: .good, message: "/dev/kvm")
    }

    // MARK: The root

    private func rootFolder() -> Examination {
        guard let folder = existing(settings.root) else {
            return Examination(subject: "root", verdict: .bad, message: "\(settings.root) cannot be read")
        }
        guard access(folder.string, W_OK | X_OK) == 0 else {
            return Examination(
                subject: "root",
                verdict: .bad,
                message: "\(folder) is not writable for user \(geteuid()): run as its owner or as root"
            )
        }
        let message = folder == settings.root ? "\(folder)" : "\(settings.root) will be made in \(folder)"
        return Examination(subject: "root", verdict: .good, message: message)
    }

    private func fileSystem() -> Examination {
        do {
            let status = try FileSystemStatus.of(existing(settings.root) ?? "/")
            guard !status.isBlindToInotify else {
                return Examination(
                    subject: "file system",
                    verdict: .bad,
                    message:
                        "\(settings.root) lies on a network or user-space file system: the index needs a local one"
                )
            }
            return Examination(subject: "file system", verdict: .good, message: "local")
        } catch {
            return Examination(subject: "file system", verdict: .bad, message: "\(error)")
        }
    }

    private func space() -> Examination {
        do {
            let status = try FileSystemStatus.of(existing(settings.root) ?? "/")
            let free = status.availableBytes >> 20
            guard status.availableBytes > settings.store.reserve else {
                return Examination(
                    subject: "space",
                    verdict: .bad,
                    message:
                        "\(free) MiB are free, less than store.reserve, \(settings.store.reserve >> 20) MiB"
                )
            }
            if let inodes = status.freeInodes, inodes < 10_000 {
                return Examination(
                    subject: "space",
                    verdict: .warning,
                    message: "\(free) MiB but only \(inodes) inodes are free"
                )
            }
            return fullness(status)
                ?? Examination(subject: "space", verdict: .good, message: "\(free) MiB are free")
        } catch {
            return Examination(subject: "space", verdict: .bad, message: "\(error)")
        }
    }

    private func inputFolders() -> [Examination] {
        [
            ("inbox", settings.paths.inbox, settings.inbox.allowWorldWritable),
            ("requests", settings.paths.requests, settings.vms.allowWorldWritable),
        ].map { name, path, allowsAll in
            do {
                guard let status = try FileStatus.of(path) else {
                    return Examination(subject: name, verdict: .good, message: "\(path) will be made")
                }
                guard status.kind == .directory else {
                    return Examination(subject: name, verdict: .bad, message: "\(path) is no folder")
                }
                guard access(path.string, R_OK | X_OK) == 0 else {
                    return Examination(
                        subject: name,
                        verdict: .bad,
                        message: "\(path) is not readable for user \(geteuid())"
                    )
                }
                if status.permissions.contains(.otherWrite), !allowsAll {
                    return Examination(
                        subject: name,
                        verdict: .bad,
                        message: "\(path) is writable by everyone: chmod o-w \(path)"
                    )
                }
                if try FileSystemStatus.of(path).isBlindToInotify {
                    return Examination(
                        subject: name,
                        verdict: .warning,
                        message: "\(path) lies on a network or user-space file system: it is polled"
                    )
                }
                return Examination(subject: name, verdict: .good, message: "\(path)")
            } catch {
                return Examination(subject: name, verdict: .bad, message: "\(error)")
            }
        }
    }

    private func bootProfiles() -> [Examination] {
        settings.boot.profiles.sorted { $0.key < $1.key }.map { name, profile in
            let boot = BootConfig(kernelPath: profile.kernel, initrdPath: profile.initramfs)
            let findings = boot.findings()
            if !findings.isEmpty {
                return Examination(
                    subject: "boot profile \(name)",
                    verdict: .bad,
                    message: findings.map(\.message).joined(separator: "; ")
                )
            }
            return Examination(
                subject: "boot profile \(name)",
                verdict: .good,
                message: "\(profile.kernel), \(profile.initramfs)"
            )
        }
    }

    // MARK: Reading

    /// The path itself, or the nearest folder above it that exists.
    private func existing(_ path: FilePath) -> FilePath? {
        var path = path
        while access(path.string, F_OK) != 0 {
            guard path.removeLastComponent(), !path.isEmpty else { return nil }
        }
        return path
    }

    private func read(_ path: FilePath) -> String? {
        // What /proc cannot tell counts as unknown.
        guard let bytes = try? AtomicFile.read(path, limit: 4096) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.last == "\n" ? String(text.dropLast()) : text
    }

    private func number(_ path: FilePath) -> Int? { read(path).flatMap { Int($0) } }
}
