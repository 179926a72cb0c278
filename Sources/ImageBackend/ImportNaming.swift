import Archives
public import OCI

/// How the images of a dropped file get their references.
///
/// - Full references that an archive gives an image (RepoTags, annotations) are its own, normalised as Docker does.
/// - A bare tag in an OCI layout (`org.opencontainers.image.ref.name: 1.2`) is a tag of the file's own name.
/// - An image without either, and a root file system, is called what the file is. Of several in one archive, each has
///   the first 12 digits of its config's digest for a tag.
public struct ImportNaming: Sendable {
    /// The reference that the input's own name is, or why it is none.
    public var own: Result<Reference, ImageError>
    /// Whether a reference may be claimed.
    public var allows: @Sendable (Reference) -> Bool

    /// Creates a rule.
    public init(own: Result<Reference, ImageError>, allows: @escaping @Sendable (Reference) -> Bool) {
        self.own = own
        self.allows = allows
    }

    /// The reference of an input that is no archive of images.
    ///
    /// - Throws: ``ImageError`` `invalidReference`, `referenceNotAllowed`.
    public func reference() throws(ImageError) -> Reference { try allowed(try own.get()) }

    /// The references of each image of an archive, and what had to be left out.
    ///
    /// - Throws: ``ImageError`` as ``reference()`` does, when an image is left without any.
    func references(of images: [ArchivedImage]) throws(ImageError) -> [(
        names: [Reference], warnings: [String]
    )] {
        let isAlone = images.count == 1
        let untagged = images.count { $0.references.isEmpty && $0.tag == nil }
        var result: [(names: [Reference], warnings: [String])] = []
        for image in images {
            var names: [Reference] = []
            var warnings: [String] = []
            for text in image.references {
                do throws(ReferenceError) {
                    let name = try Reference(parsing: text)
                    if !allows(name) {
                        warnings.append("the archive's reference \(name) is left out: \(Self.notCovered)")
                    } else if !names.contains(name) {
                        names.append(name)
                    }
                } catch {
                    warnings.append("the archive's reference is left out: \(error)")
                }
            }
            if names.isEmpty { names = [try fallback(image, isAlone: isAlone, untagged: untagged)] }
            result.append((names, warnings))
        }
        return result
    }

    private func fallback(
        _ image: ArchivedImage,
        isAlone: Bool,
        untagged: Int
    ) throws(ImageError) -> Reference {
        let own = try own.get()
        if let tag = image.tag, !isAlone || own.tag == "latest",
            let name = try? Reference(parsing: "\(own.name):\(tag)")
        {
            return try allowed(name)
        }
        if isAlone || (untagged == 1 && image.references.isEmpty && image.tag == nil) {
            return try allowed(own)
        }
        let tag = image.configDigest.hex.prefix(12)
        let name: Reference
        do throws(ReferenceError) { name = try Reference(parsing: "\(own.name):\(tag)") } catch {
            throw ImageError(.invalidReference, "\(error)")
        }
        return try allowed(name)
    }

    private static let notCovered = "inbox.allowReferences does not cover it"

    private func allowed(_ name: Reference) throws(ImageError) -> Reference {
        guard allows(name) else {
            throw ImageError(
                .referenceNotAllowed,
                "it would claim \(name), and \(Self.notCovered): rename it, or extend the setting"
            )
        }
        return name
    }
}
