import CloudHypervisor
import ImageBackend
import Snapshots
import SystemPackage

extension ConfigRenderer {
    /// A disk for each of the layers, bottom first.
    func layerDisks(_ layers: LayerDisks, _ segments: SegmentPlan) -> [VmConfig.Disk] {
        zip(layers.storage, segments.layers).map { layer, segment in
            var disk = VmConfig.Disk(
                id: layer.serial,
                path: layer.path.string,
                isReadOnly: true,
                serial: layer.serial
            )
            disk.pciSegment = segment
            return disk
        }
    }

    /// The disks that are the VM's own: the writable one, those for data, what cloud-init and the guest are told.
    func ownDisks(
        _ request: VMRequest,
        bootCPUs: Int,
        hasGuestDisk: Bool
    ) -> [VmConfig.Disk] {
        let folder = settings.folder(of: request.name)
        func readOnly(_ serial: String, _ path: FilePath) -> VmConfig.Disk {
            VmConfig.Disk(id: serial, path: path.string, isReadOnly: true, serial: serial)
        }
        func writable(_ serial: String, id: String, _ path: FilePath, isDirect: Bool) -> VmConfig.Disk {
            var disk = VmConfig.Disk(id: id, path: path.string, serial: serial)
            disk.isDirect = isDirect
            disk.queues = Queues.count(bootCPUs: bootCPUs)
            return disk
        }
        let name = Self.writableSerial
        var disks = [writable(name, id: name, folder.writableDisk, isDirect: request.isDiskDirect ?? true)]
        for disk in request.dataDisks ?? [] {
            // An id is one among all devices of the VM, and a data disk may be called `net0`.
            let path = folder.dataDisk(disk.name)
            disks.append(writable(disk.name, id: "disk-\(disk.name)", path, isDirect: disk.isDirect))
        }
        if request.userData != nil { disks.append(readOnly(Self.seedSerial, folder.seed)) }
        guard hasGuestDisk else { return disks }
        return [readOnly(GuestConfig.serial, folder.guestDisk)] + disks
    }
}
