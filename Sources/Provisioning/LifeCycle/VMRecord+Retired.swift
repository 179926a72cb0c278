import Store

extension VMRecord {
    /// Where the folders of retired VMs lie, below the folder of VMs.
    static let retiredFolder = ".retired"

    /// Whether it is the binding of a retired VM.
    var isRetired: Bool { name.hasPrefix("\(Self.retiredFolder)/") }

    /// The name before it retired; nil for one that is not.
    var formerName: String? {
        guard isRetired, let dash = name.lastIndex(of: "-") else { return nil }
        return String(name[..<dash].dropFirst(Self.retiredFolder.count + 1))
    }
}
