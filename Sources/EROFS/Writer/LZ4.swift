import CLZ4

/// LZ4 with a fixed output: as much input as fits. One per thread.
final class LZ4 {
    private let level: Int32?
    private let state: UnsafeMutableRawPointer

    /// nil when nothing is to be compressed.
    init?(_ compression: Compression) {
        switch compression {
        case .none: return nil
        case .lz4: level = nil
        case .lz4hc(let level, _): self.level = Int32(level)
        }
        let size = level == nil ? 1 : Int(LZ4_sizeofStateHC())
        state = .allocate(byteCount: size, alignment: 64)
    }

    deinit { state.deallocate() }

    /// Compresses the beginning of `input` and returns the bytes consumed and produced; zeros where nothing fits.
    func fill(_ output: UnsafeMutableRawBufferPointer, from input: UnsafeRawBufferPointer) -> (Int, Int) {
        var consumed = Int32(input.count)
        let source = input.bindMemory(to: CChar.self).baseAddress
        let target = output.bindMemory(to: CChar.self).baseAddress
        let produced =
            if let level {
                LZ4_compress_HC_destSize(state, source, target, &consumed, Int32(output.count), level)
            } else {
                LZ4_compress_destSize(source, target, &consumed, Int32(output.count))
            }
        return produced > 0 ? (Int(consumed), Int(produced)) : (0, 0)
    }
}
