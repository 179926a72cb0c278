import Host

/// Walks the folders of an image from its root, each once, in the order of their names.
struct TreeWalk: ~Copyable {
    /// A folder between its first and its last entry.
    private struct Frame {
        let folder: Inode
        let parent: UInt64
        let name: [UInt8]
        /// The bytes of its path with a slash behind it.
        let pathBytes: Int
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

    /// An inode with several names, some of them still to come.
    private struct Linked {
        var missing: UInt32
        let attributeBytes: Int
    }

    private let image: ImageReader
    private let check: ImageCheck
    private var inodes: InodeCheck
    private var frames: [Frame] = []
    /// The name that is looked at, for messages.
    private var current: [UInt8] = []
    /// Inodes with names still to come.
    private var linked: [UInt64: Linked] = [:]
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
            try enter(root, named: [], in: root.nid, pathBytes: 0)
            while !frames.isEmpty { try step() }
        } catch {
            throw located(error)
        }
        if let (nid, inode) = linked.min(by: { $0.key < $1.key }) {
            throw .corrupt("inode \(nid) has \(inode.missing) fewer names than its link count says")
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
            throw .limitExceeded("it has more than \(check.limits.entries) names")
        }
        let last = frames.count - 1
        let pathBytes = frames[last].pathBytes + entry.name.count
        guard pathBytes <= check.limits.pathBytes else {
            throw .limitExceeded("its path is longer than \(check.limits.pathBytes) bytes")
        }
        let inode = try image.inode(entry.nid)
        guard inode.kind == entry.kind else {
            throw .corrupt("the folder calls inode \(inode.nid) a \(entry.kind), it is a \(inode.kind)")
        }
        if inode.kind == .directory {
            frames[last].subfolders += 1
            return try enter(inode, named: entry.name, in: frames[last].folder.nid, pathBytes: pathBytes)
        }
        if var known = linked[inode.nid] {
            known.missing -= 1
            linked[inode.nid] = known.missing > 0 ? known : nil
            return try count(pathBytes: pathBytes, attributeBytes: known.attributeBytes)
        }
        let attributeBytes = try inodes.check(inode)
        report.inodes += 1
        guard inode.links > 0 else { throw .corrupt("inode \(inode.nid) has a link count of 0") }
        if inode.links > 1 {
            linked[inode.nid] = Linked(missing: inode.links - 1, attributeBytes: attributeBytes)
        }
        if inode.kind == .regular { report.fileBytes.addUpTo(inode.size) }
        let content = inode.kind == .regular || inode.kind == .symbolicLink ? inode.size : 0
        try count(pathBytes: pathBytes, attributeBytes: attributeBytes, content: content)
    }

    private mutating func enter(
        _ folder: Inode,
        named name: [UInt8],
        in parent: UInt64,
        pathBytes: Int
    ) throws(EROFSError) {
        guard frames.count <= check.limits.depth else {
            throw .limitExceeded("it has folders more than \(check.limits.depth) deep")
        }
        let attributeBytes = try inodes.check(folder)
        report.inodes += 1
        try count(pathBytes: pathBytes, attributeBytes: attributeBytes)
        frames.append(
            Frame(
                folder: folder,
                parent: parent,
                name: name,
                pathBytes: pathBytes + (frames.isEmpty ? 0 : 1),
                data: try DataReader(image, folder)
            )
        )
    }

    /// Counts what a name takes in a tar.
    private mutating func count(
        pathBytes: Int,
        attributeBytes: Int,
        content: UInt64 = 0
    ) throws(EROFSError) {
        report.tarBytes.addUpTo(UInt64(1024 + pathBytes + attributeBytes))
        report.tarBytes.addUpTo(content)
        guard let limit = check.limits.tarBytes, report.tarBytes > limit else { return }
        throw .limitExceeded("its files and attributes come to more than \(limit) bytes")
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
        case .limitExceeded(let what): .limitExceeded("\(path): \(what)")
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

extension UInt64 {
    /// Adds, and stays at the largest number where the sum is larger.
    fileprivate mutating func addUpTo(_ other: UInt64) {
        let (sum, overflow) = addingReportingOverflow(other)
        self = overflow ? .max : sum
    }
}
