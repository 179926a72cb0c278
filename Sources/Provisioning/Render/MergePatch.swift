import Documents

/// The request's merge patch (RFC 7386) over a rendered config.
enum MergePatch {
    /// Members that a patch cannot touch: which disks a VM has and what it boots is made from the image it is bound to.
    static let forbiddenKeys: Set<String> = ["disks", "payload"]

    /// The patched config.
    static func apply(_ patch: JSONValue?, to config: JSONValue) throws(RequestFile.Problem) -> JSONValue {
        guard let patch else { return config }
        guard let members = patch.object else {
            throw RequestFile.Problem(reason: .requestInvalid, message: "cloudHypervisor: expected a mapping")
        }
        if let key = forbiddenKeys.intersection(members.keys).min() {
            throw RequestFile.Problem(
                reason: .requestInvalid,
                message: "cloudHypervisor: a patch cannot touch '\(key)'"
            )
        }
        return config.merging(patch: patch)
    }
}
