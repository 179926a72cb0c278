/// The calls that take a name, with names and targets in any collection. Those with slices are the ones to call often:
/// they need no copy.
extension ImageWriter {
    /// What a folder has under a name: a hash lookup, however large the folder. nil where there is nothing, or where
    /// `folder` is none.
    public func child(named name: some Collection<UInt8>, of folder: Node) -> Node? {
        child(named: Array(name)[...], of: folder)
    }

    /// Adds an empty folder.
    @discardableResult
    public func addDirectory(
        named name: some Collection<UInt8>,
        in folder: Node,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        try addDirectory(named: Array(name)[...], in: folder, attributes: attributes)
    }

    /// Adds a symbolic link to a target of 1 to 4,095 bytes.
    @discardableResult
    public func addSymbolicLink(
        named name: some Collection<UInt8>,
        in folder: Node,
        target: some Collection<UInt8>,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        try addSymbolicLink(
            named: Array(name)[...],
            in: folder,
            target: Array(target)[...],
            attributes: attributes
        )
    }

    /// Gives anything but a folder a further name.
    @discardableResult
    public func addHardLink(
        named name: some Collection<UInt8>,
        in folder: Node,
        to target: Node
    ) throws(EROFSError) -> Node {
        try addHardLink(named: Array(name)[...], in: folder, to: target)
    }

    /// Begins a regular file.
    @discardableResult
    public func beginFile(
        named name: some Collection<UInt8>,
        in folder: Node,
        size: UInt64,
        isMostlyHoles: Bool = false,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        try beginFile(
            named: Array(name)[...],
            in: folder,
            size: size,
            isMostlyHoles: isMostlyHoles,
            attributes: attributes
        )
    }
}
