import SystemPackage

extension ErofsTool {
    /// Has fsck.erofs check an image and expand all that is compressed in it.
    ///
    /// - Returns: what it found wrong, in its words; nil for a sound image.
    func complaint(about image: FilePath) async throws(ImageError) -> String? {
        let outcome = try await run(["--extract", image.string])
        guard !outcome.isSuccess else { return nil }
        return "\(program.rawValue) \(version) (\(outcome.status)): \(outcome.said)"
    }
}
