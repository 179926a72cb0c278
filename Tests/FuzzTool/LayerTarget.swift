import Archives
import EROFS
import Glibc
import Host
import ImageBackend
import TestSupport

extension Target {
    private static let scratch = ScratchFile("layer")

    /// The whole conversion of a layer: whatever it accepts is an image that the check finds sound and that reads.
    static let layer = Target(
        name: "layer",
        seeds: { TarCorpus.all },
        one: { data, size in
            scratch.hold(UnsafeRawBufferPointer(start: nil, count: 0))
            let converter = LayerConverter(
                // Every way of storing holes and data, told by the input's size so that an input stays what it is.
                compression: size / 512 % 2 == 0 ? .lz4(clusterSize: 16384) : .none,
                guestKernel: size / 1024 % 2 == 0 ? GuestKernel(5, 15) : GuestKernel(6, 1),
                jobs: 1,
                limits: LayerLimits(entries: 2000, unpackedBytes: 4 << 20),
                cancellation: Cancellation()
            )
            let bytes = [UInt8](data, size)
            do throws(ImageError) {
                _ = try converter.convert(
                    MemorySource(bytes),
                    name: "x",
                    isVouchedFor: size % 2 == 0,
                    to: scratch.file
                ) { _ in }
            } catch {
                // Neither memory nor the disk fails here: that is our writer contradicting itself.
                if error.code == .io { finding("\(error)") }
                return 0
            }
            do {
                _ = try ImageCheck().check(scratch.file)
                try ImageReading.readAll(scratch.file)
            } catch { finding("what was converted is not sound: \(error)") }
            return 0
        },
        repair: Target.tar.repair
    )
}
