import Documents
import Snapshots

extension VMRequest {
    mutating func readDisks(_ reader: inout ObjectReader) throws(DocumentError) {
        if var disk = try reader.optional("disk")?.object() {
            diskSize = try disk.optional("size")?.byteCount(in: Self.diskRange)
            isDiskDirect = try disk.optional("direct")?.bool()
            try disk.finish()
        }
        guard let list = reader.optional("dataDisks") else { return }
        var disks: [DataDisk] = []
        for node in try list.array() {
            guard disks.count < Self.dataDiskLimit else {
                throw list.error("more than \(Self.dataDiskLimit) data disks are not supported")
            }
            let disk = try Self.dataDisk(node)
            if disks.contains(where: { $0.name == disk.name }) {
                throw node.error("two data disks have the name \(disk.name)")
            }
            if let mount = disk.mount, disks.contains(where: { $0.mount == mount }) {
                throw node.error("two data disks are mounted at \(mount)")
            }
            disks.append(disk)
        }
        dataDisks = disks
    }

    private static func dataDisk(_ node: Node) throws(DocumentError) -> DataDisk {
        var object = try node.object()
        var disk = DataDisk(
            name: try object.required("name").parsedDiskName(),
            size: try object.required("size").byteCount(in: diskRange)
        )
        if let value = object.optional("filesystem") { disk.content = try value.choice() }
        if let value = object.optional("direct") { disk.isDirect = try value.bool() }
        if let value = object.optional("mount") {
            guard disk.content != .none else {
                throw value.error("a disk without a file system cannot be mounted")
            }
            disk.mount = try value.parsedMountPoint()
        }
        try object.finish()
        return disk
    }
}

/// The rule for names of data disks: they are serials of virtio disks beside those that Slipway gives.
enum DataDiskName {
    static let rule =
        "a data disk's name has 1 to 20 of a-z, 0-9 and '-', and is not 'cow', 'slipway', 'merged', 'cidata' or 'layerN'"

    /// Serials that other disks have; `merged` and `cidata` among them.
    private static let taken: Set<String> = ["cow", "slipway", "merged", "cidata"]

    static func isValid(_ name: String) -> Bool {
        guard (1...20).contains(name.utf8.count),
            name.utf8.allSatisfy({
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
            })
        else { return false }
        if name.hasPrefix("layer"), !name.dropFirst(5).isEmpty, name.dropFirst(5).allSatisfy(\.isNumber) {
            return false
        }
        return !taken.contains(name)
    }
}

/// The rule for mount points: what every shell, fstab and mount(8) take as it is.
enum MountPoint {
    static let rule =
        "a mount point is an absolute path of up to 255 letters, digits and '._@+-/', without '.' and '..', and not '/' "
        + "nor in /dev, /proc or /sys"

    static func isValid(_ path: String) -> Bool {
        guard path.utf8.count <= 255, path.hasPrefix("/"), path != "/" else { return false }
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard
            parts.allSatisfy({ part in
                !part.isEmpty && part != "." && part != ".."
                    && part.unicodeScalars.allSatisfy {
                        ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0)
                            || "._@+-".unicodeScalars.contains($0)
                    }
            })
        else { return false }
        return !["dev", "proc", "sys"].contains(parts[0])
    }
}

extension Node {
    fileprivate func parsedDiskName() throws(DocumentError) -> String {
        let name = try string()
        guard DataDiskName.isValid(name) else { throw error(DataDiskName.rule) }
        return name
    }

    fileprivate func parsedMountPoint() throws(DocumentError) -> String {
        let path = try string()
        guard MountPoint.isValid(path) else { throw error(MountPoint.rule) }
        return path
    }
}
