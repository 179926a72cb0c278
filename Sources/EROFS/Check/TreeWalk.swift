import Host

/// Walks the folders of an image from its root, each once, in the order of their names.
struct TreeWalk: ~Copyable {
    /// A folder between its first and its last entry.
    private struct Frame {
        let folder: Inode
        let parent: UInt64
        let name: [UInt8]
        let data: DataReader
        /// The block that is being read, and where the next one begins.
        var block: [UInt8] = []
        var nextBlock: UInt64 = 0
        var count = 0
        var nextEntry = 0
        var lastName: [UInt8] = []
        var subfolders: UInt64 = 0
        var hasItself = false
        var hasParent = false
    }

    private let image: ImageReader
    private let check: ImageCheck
    private var inodes: InodeCheck
    private var frames: [Frame] = []
    /// The name that is looked at, for messages.
    private var current: [UInt8] = []
    /// Names still to come of inodes with several.
    private var missingNames: [UInt64: UInt32] = [:]
    private var report = ImageCheck.Report()

    init(_ image: ImageReader, _ check: ImageCheck) throws(EROFSError) {
        self.image = image
        self.check = check
        inodes = try InodeCheck(image, check)
    }

    mutating func run() throws(EROFSError) -> ImageCheck.Report {
        do throws(EROFSError) {
            try inodes.checkPacked()
            let root = try image.inode(image.root)
            guard root.kind == .directory else { throw .corrupt("the root is no folder") }
            try enter(root, named: [], in: root.nid)
            while !frames.isEmpty { try step() }
        } catch {
            throw located(error)
        }
        if let (nid, count) = missingNames.min(by: { $0.key < $1.key }) {
            throw .corrupt("inode \(nid) has \(count) fewer names than its link count says")
        }
        report.expandedBytes = inodes.expandedBytes
        return report
    }

    // MARK: Steps

    /// Takes the next entry of the innermost folder, or leaves that folder.
    private mutating func step() throws(EROFSError) {
        if check.cancellation?.isCancelled == true { throw .cancelled }
        let last = frames.count - 1
        current = []
        if frames[last].nextEntry == frames[last].count {
            guard try readBlock(last) else { return try leave() }
        }
        let frame = frames[last]
        let outcome = frame.block.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in
                try DirectoryBlock(bytes, of: frame.folder.nid).entry(frame.nextEntry)
            }
        }
        let entry = try outcome.get()
        frames[last].nextEntry += 1
        current = entry.name
        guard frame.lastName.isEmpty || frame.lastName.lexicographicallyPrecedes(entry.name) else {
            throw .corrupt("the names of the folder are not sorted, or one is there twice")
        }
        frames[last].lastName = entry.name
        switch entry.name {
        case [UInt8(ascii: ".")]:
            try expect(entry, leadsTo: frame.folder.nid)
            frames[last].hasItself = true
        case [UInt8(ascii: "."), UInt8(ascii: ".")]:
            try expect(entry, leadsTo: frame.parent)
            frames[last].hasParent = true
        default: try take(entry)
        }
    }

    private func expect(_ entry: DirectoryEntry, leadsTo nid: UInt64) throws(EROFSError) {
        guard entry.nid == nid, entry.kind == .directory else {
            throw .corrupt("the entry leads to inode \(entry.nid), not to the folder \(nid)")
        }
    }

    /// Reads the next block of a folder; false at its end.
    private mutating func readBlock(_ index: Int) throws(EROFSError) -> Bool {
        let frame = frames[index]
        guard frame.nextBlock < frame.folder.size else { return false }
        try inodes.claimBlock(of: frame.folder, at: frame.nextBlock)
        var block = [UInt8](repeating: 0, count: Format.blockSize)
        let outcome = block.withUnsafeMutableBytes { bytes in
            Result { () throws(EROFSError) -> (Int, Int) in
                let size = try frame.data.read(at: frame.nextBlock, into: bytes)
                let filled = UnsafeRawBufferPointer(rebasing: bytes[..<size])
                return (size, try DirectoryBlock(filled, of: frame.folder.nid).count)
            }
        }
        let (size, count) = try outcome.get()
        block.removeLast(Format.blockSize - size)
        frames[index].block = block
        frames[index].nextBlock += UInt64(Format.blockSize)
        frames[index].count = count
        frames[index].nextEntry = 0
        return true
    }

    /// Looks at what a name leads to.
    private mutating func take(_ entry: DirectoryEntry) throws(EROFSError) {
        report.entries += 1
        guard report.entries <= check.limits.entries else {
            throw .unsupported("it has more than \(check.limits.entries) names")
        }
        let inode = try image.inode(entry.nid)
        guard inode.kind == entry.kind else {
            throw .corrupt("the folder calls inode \(inode.nid) a \(entry.kind), it is a \(inode.kind)")
        }
        if inode.kind == .directory {
            let last = frames.count - 1
            frames[last].subfolders += 1
            return try enter(inode, named: entry.name, in: frames[last].folder.nid)
        }
        if let missing = missingNames[inode.nid] {
            missingNames[inode.nid] = missing > 1 ? missing - 1 : nil
            return
        }
        try inodes.check(inode)
        report.inodes += 1
        if inode.kind == .regular { report.fileBytes &+= inode.size }
        guard inode.links > 0 else { throw .corrupt("inode \(inode.nid) has a link count of 0") }
        if inode.links > 1 { missingNames[inode.nid] = inode.links - 1 }
    }

    private mutating func enter(_ folder: Inode, named name: [UInt8], in parent: UInt64) throws(EROFSError) {
        guard frames.count <= check.limits.depth else {
            throw .unsupported("it has folders more than \(check.limits.depth) deep")
        }
        try inodes.check(folder)
        report.inodes += 1
        frames.append(
            Frame(folder: folder, parent: parent, name: name, data: try DataReader(image, folder))
        )
    }

    private mutating func leave() throws(EROFSError) {
        guard let frame = frames.last else { return }
        guard frame.hasItself, frame.hasParent else {
            throw .corrupt("the folder \(frame.folder.nid) lacks '.' or '..'")
        }
        guard UInt64(frame.folder.links) == 2 + frame.subfolders else {
            throw .corrupt(
                "the folder \(frame.folder.nid) holds \(frame.subfolders) folders, its link count is "
                    + "\(frame.folder.links)"
            )
        }
        frames.removeLast()
    }

    // MARK: Messages

    /// The error with the path at which it was found.
    private func located(_ error: EROFSError) -> EROFSError {
        switch error {
        case .corrupt(let what): .corrupt("\(path): \(what)")
        case .unsupported(let what): .unsupported("\(path): \(what)")
        default: error
        }
    }

    /// The path of what is looked at; of a long one, the end.
    private var path: String {
        let names = frames.dropFirst().map(\.name) + (current.isEmpty ? [] : [current])
        let bytes = names.suffix(64).reduce(into: [UInt8]()) { $0 += [UInt8(ascii: "/")] + $1 }
        let isCut = names.count > 64 || bytes.count > 300
        return quoted(
            (isCut ? Array("…".utf8) : []) + (bytes.isEmpty ? [UInt8(ascii: "/")] : bytes.suffix(300))
        )
    }
}
