import EROFS
import Host
import ImageBackend

/// A program of erofs-utils that a setting asks for.
struct ErofsRequirement: Sendable {
    /// The setting with its value.
    let setting: String
    let program: ErofsTool.Program
    let guestKernel: GuestKernel

    /// Finds the program, or says what is missing.
    func look(in search: SearchPath) async -> Result<ErofsTool, ImageError> {
        do throws(ImageError) {
            return .success(try await ErofsTool.fit(program, for: guestKernel, in: search))
        } catch {
            return .failure(error)
        }
    }
}

extension Settings {
    /// What the settings ask of erofs-utils.
    var erofsUtils: [ErofsRequirement] {
        var requirements: [ErofsRequirement] = []
        func require(_ setting: String, _ program: ErofsTool.Program) {
            requirements.append(
                ErofsRequirement(setting: setting, program: program, guestKernel: store.guestKernel)
            )
        }
        if store.engine == .mkfs { require("store.engine", .mkfs) }
        if store.check == .fsck { require("store.check", .fsck) }
        return requirements
    }

    /// What of the host does not meet the settings: one line for each, as ``check(origins:)`` gives for the settings
    /// themselves.
    public func checkHost(environment: [String: String]) async -> [String] {
        var warnings: [String] = []
        for requirement in erofsUtils {
            if case .failure(let error) = await requirement.look(in: SearchPath(path: environment["PATH"])) {
                warnings.append("\(requirement.setting): \(error)")
            }
        }
        return warnings + checkRegistries()
    }
}
