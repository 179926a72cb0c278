/// A name of a tree that is to be added to an image, in a list of them that has any order.
public protocol TreeItem {
    /// The place in the list of the folder that it lies in; negative for the root.
    var folder: Int { get }
    /// The node, once it was added.
    var node: ImageWriter.Node? { get }
}

extension Array where Element: TreeItem {
    /// An item and the folders above it that were not added yet, from the top down: the order to add them in.
    public func missing(upTo item: Int) -> [Int] {
        var missing: [Int] = []
        var next = item
        while next >= 0, self[next].node == nil {
            missing.append(next)
            next = self[next].folder
        }
        return missing.reversed()
    }

    /// The node of the folder that an item lies in; nil for the root.
    public func folderNode(of item: Int) -> ImageWriter.Node? {
        let folder = self[item].folder
        return folder >= 0 ? self[folder].node : nil
    }
}
