import Glibc

/// What the image has of its folders: attributes, whether they have to be written, and what is in them in order.
extension Tree {
    func attributes(ofFolder folder: UInt32) -> Attributes {
        let record = folders[Int(folder)]
        return Attributes(
            permissions: record.permissions,
            userID: record.userID,
            groupID: record.groupID,
            modified: Timestamp(seconds: record.seconds, nanoseconds: record.nanoseconds),
            xattrs: record.xattrs == 0 ? [] : folderXattrs[Int(record.xattrs) - 1]
        )
    }

    mutating func setAttributes(_ attributes: Attributes, ofFolder folder: UInt32) {
        let index = Int(folder)
        markChanged(folders[index].entry)
        folders[index].permissions = attributes.permissions
        folders[index].userID = attributes.userID
        folders[index].groupID = attributes.groupID
        folders[index].seconds = attributes.modified.seconds
        folders[index].nanoseconds = attributes.modified.nanoseconds
        if folders[index].xattrs != 0 {
            folderXattrs[Int(folders[index].xattrs) - 1] = attributes.xattrs
        } else if !attributes.xattrs.isEmpty {
            folderXattrs.append(attributes.xattrs)
            folders[index].xattrs = UInt32(folderXattrs.count)
        }
    }

    /// Notes that a folder has to be written, and so those above it.
    mutating func markChanged(_ entry: UInt32) {
        var entry = entry
        while let folder = folder(of: entry), !folders[folder].isChanged {
            folders[folder].isChanged = true
            entry = entries[Int(entry)].parent
        }
    }

    /// Notes that the folders have to be written that name any of these inodes.
    mutating func markChanged(foldersOf inodes: Set<UInt32>) {
        guard !inodes.isEmpty else { return }
        for entry in entries.elements where entry.isLive && inodes.contains(entry.inode) {
            markChanged(entry.parent)
        }
    }

    /// The folder's entries that are there, sorted by the bytes of their names. The list is left in that order.
    mutating func sortChildren(ofFolder folder: Int, into sorted: inout [UInt32]) {
        sorted.removeAll(keepingCapacity: true)
        var child = folders[folder].firstChild
        while child != Self.none {
            if entries[Int(child)].isLive { sorted.append(child) }
            child = entries[Int(child)].next
        }
        let all = UnsafeRawBufferPointer(names.elements)
        let entries = entries.elements
        sorted.sort { left, right in
            Self.precedes(
                all,
                Int(entries[Int(left)].nameOffset),
                Int(entries[Int(left)].nameLength),
                Int(entries[Int(right)].nameOffset),
                Int(entries[Int(right)].nameLength)
            )
        }
        var next = Self.none
        for child in sorted.reversed() {
            entries[Int(child)].next = next
            next = child
        }
        folders[folder].firstChild = next
    }

    private static func precedes(
        _ names: UnsafeRawBufferPointer,
        _ left: Int,
        _ leftCount: Int,
        _ right: Int,
        _ rightCount: Int
    ) -> Bool {
        guard let base = names.baseAddress else { return false }
        let order = memcmp(base + left, base + right, min(leftCount, rightCount))
        return order != 0 ? order < 0 : leftCount < rightCount
    }
}
