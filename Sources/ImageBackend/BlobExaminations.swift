import EROFS
import Host
public import Store
import SystemPackage

extension BlobExamination {
    /// Reads the image as a kernel would, and everything that is compressed in it.
    public static var structure: BlobExamination {
        BlobExamination(kind: .structure) { path in
            try await onThread(named: "check-image") { cancellation in
                do throws(EROFSError) {
                    let file: File
                    do throws(FileError) { file = try File.regular(path) } catch { throw .file(error) }
                    _ = try ImageCheck(cancellation: cancellation).check(file)
                    return nil
                } catch {
                    switch error {
                    case .file(let error): throw error
                    case .cancelled: throw CancellationError()
                    default: return "\(path): \(error)"
                    }
                }
            }
        }
    }

    /// Has the installed fsck.erofs check the image.
    public static func fsck(_ tool: ErofsTool) -> BlobExamination {
        BlobExamination(kind: .fsck) { path in
            try await tool.complaint(about: path).map { "\(path): \($0)" }
        }
    }
}

extension OCIBackend {
    /// What looks at a new blob before it is committed.
    public enum BlobCheck: Sendable, Hashable {
        /// Nothing: the writer is trusted.
        case none
        /// The installed fsck.erofs.
        case fsck
    }

    /// Has a new blob looked at, as the configuration asks.
    ///
    /// - Throws: ``ImageError`` `checkFailed` with what was found; `unsupported` where the program is missing.
    func checkBeforeCommit(_ image: FilePath, of what: String) async throws(ImageError) {
        guard configuration.check == .fsck else { return }
        let tool = try await ErofsTool.fit(
            .fsck,
            for: configuration.guestKernel,
            in: configuration.search
        )
        if let complaint = try await tool.complaint(about: image) {
            throw ImageError(
                .checkFailed,
                "\(what) was written as an image that \(complaint); it is not kept"
            )
        }
    }
}
