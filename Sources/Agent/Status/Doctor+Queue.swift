import Documents
import Foundation
import Host
import Ingest
import Registry
import SystemPackage

extension Doctor {
    /// The queue file and the configuration of registries.
    func registries() -> [Examination] { [queueFile(), registriesFile()] }

    private func queueFile() -> Examination {
        let path = settings.paths.queue
        func found(_ verdict: Examination.Verdict, _ message: String) -> Examination {
            Examination(subject: "queue", verdict: verdict, message: message)
        }
        do {
            guard let status = try FileStatus.of(path) else {
                return found(.good, "\(path) is not there: nothing is pulled but what requests name")
            }
            guard status.kind == .regular else { return found(.bad, "\(path) is no regular file") }
            if status.permissions.contains(.otherWrite), !settings.queue.allowWorldWritable {
                return found(.bad, "\(path) is writable by everyone: chmod o-w \(path)")
            }
            let file = QueueFile(parsing: try AtomicFile.read(path) ?? [], path: path)
            if let first = file.problems.first {
                let rest = file.problems.count > 1 ? ", and \(file.problems.count - 1) more lines" : ""
                return found(.warning, "\(first.message)\(rest)")
            }
            return found(.good, "\(path), \(CountText.text(file.entries.count, "image"))")
        } catch { return found(.bad, "\(error)") }
    }

    private func registriesFile() -> Examination {
        let path = settings.root.pushing(settings.registry.config).lexicallyNormalized()
        func found(_ verdict: Examination.Verdict, _ message: String) -> Examination {
            Examination(subject: "registries", verdict: verdict, message: message)
        }
        do {
            guard let bytes = try AtomicFile.read(path, limit: 1 << 20) else {
                return found(.good, "\(path) is not there: registries are asked directly")
            }
            _ = try RegistriesConfiguration(yaml: bytes, file: path.string)
            return found(.good, "\(path)")
        } catch { return found(.bad, "\(error)") }
    }
}

extension Settings {
    /// What is wrong with the configuration of registries, a warning each: nothing is asked of any while it is.
    func checkRegistries() -> [String] {
        let path = root.pushing(registry.config).lexicallyNormalized()
        do {
            guard let bytes = try AtomicFile.read(path, limit: 1 << 20) else { return [] }
            _ = try RegistriesConfiguration(yaml: bytes, file: path.string)
            return []
        } catch { return ["registry.config: \(error)"] }
    }
}
