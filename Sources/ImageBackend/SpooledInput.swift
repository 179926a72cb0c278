import Archives
public import Host
import Store
import SystemPackage

/// What came through a pipe, in a file of the store's temporary folder: importing looks at an archive's documents before its
/// layers, wherever they lie. The file goes with the value.
public final class SpooledInput: Sendable {
    /// The file, as an input of an import.
    public let file: File
    private let workspace: Workspace

    init(file: File, workspace: Workspace) {
        self.file = file
        self.workspace = workspace
    }

    /// Removes the file.
    public func close() async { await workspace.close() }
}

extension OCIBackend {
    /// So many bytes are taken between two looks at the free space.
    private static let spoolStep: UInt64 = 64 << 20

    /// Keeps what comes through a pipe.
    ///
    /// - Parameter tracker: hears how many bytes came.
    /// - Throws: ``ImageError`` `noSpace` when the disk is full up to the reserve.
    public func spool(_ stream: File, tracker: any Tracker) async throws(ImageError) -> SpooledInput {
        let workspace = try await withStore("opening a workspace") { try await store.openWorkspace("stdin") }
        let (path, root, reserve) = (
            workspace.path.appending("input"), store.layout.root, configuration.reserve
        )
        do {
            let file = try await onThread(named: "spool") { cancellation in
                let descriptor = try FileDescriptor.open(
                    path,
                    .readWrite,
                    options: [.create, .exclusiveCreate, .closeOnExec],
                    permissions: FilePermissions(rawValue: 0o640)
                )
                let file = File(owning: descriptor, path: stream.path)
                var checked: UInt64 = 0
                try FileSource(file: stream, cancellation: cancellation).copy(to: file, cancellation) {
                    bytes in
                    tracker.report(ProgressEvent(phase: .read, bytes: bytes))
                    guard bytes - checked >= Self.spoolStep else { return }
                    checked = bytes
                    let free = try FileSystemStatus.of(root).availableBytes
                    guard free < reserve else { return }
                    throw ImageError(
                        .noSpace,
                        "\(stream.path) goes on, but only \(free >> 20) MiB are free at \(root), less than the reserve of "
                            + "\(reserve >> 20) MiB (store.reserve)",
                        isTransient: true
                    )
                }
                // Whoever imports it reads from the file's position.
                try file.descriptor.seek(offset: 0, from: .start)
                return file
            }
            return SpooledInput(file: file, workspace: workspace)
        } catch {
            await workspace.close()
            throw ImageError(error, during: "reading \(stream.path)")
        }
    }
}
