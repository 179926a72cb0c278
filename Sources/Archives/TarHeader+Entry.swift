extension TarHeader {
    /// What the header and the extended ones before it say together. Offsets and names in errors are the caller's.
    func entry(
        _ extended: ExtendedHeaders,
        _ records: PaxRecords,
        path: [UInt8],
        offset: UInt64,
        limits: TarLimits
    ) throws(TarFailure) -> (TarEntry, ContentLayout) {
        guard !path.isEmpty else { throw TarFailure(.invalid, "it has no name") }
        var kind = try kind()
        let (size, layout) = try content(kind, records, limits)
        if kind == .regular, path.last == UInt8(ascii: "/") {
            guard size == 0 else {
                throw TarFailure(.invalid, "its name ends in a slash, but it has content")
            }
            kind = .directory
        }
        guard let mode, mode >= 0 else { throw TarFailure(.invalid, "its mode is no number in range") }
        var entry = TarEntry(
            path: path,
            kind: kind,
            permissions: UInt16(mode & 0o7777),
            userID: try identifier(records.userID, userID, "user"),
            groupID: try identifier(records.groupID, groupID, "group"),
            size: size,
            xattrs: records.xattrs.list,
            offset: offset
        )
        if case .sparse = layout { entry.isSparse = true }
        try setTime(of: &entry, records)
        switch kind {
        case .hardLink, .symbolicLink:
            entry.linkTarget = try extended.linkTarget(records) ?? linkTarget
            guard !entry.linkTarget.isEmpty else { throw TarFailure(.invalid, "it is a link to nothing") }
        case .characterDevice, .blockDevice:
            entry.deviceMajor = try deviceNumber(records.deviceMajor, deviceMajor)
            entry.deviceMinor = try deviceNumber(records.deviceMinor, deviceMinor)
        default: break
        }
        return (entry, layout)
    }

    /// POSIX' type flags, NUL for v7's files, GNU's `D` for a folder in a dump and `S` for a sparse file.
    private func kind() throws(TarFailure) -> TarEntry.Kind {
        switch type {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): return .regular
        case UInt8(ascii: "1"): return .hardLink
        case UInt8(ascii: "2"): return .symbolicLink
        case UInt8(ascii: "3"): return .characterDevice
        case UInt8(ascii: "4"): return .blockDevice
        case UInt8(ascii: "5"), UInt8(ascii: "D"): return .directory
        case UInt8(ascii: "6"): return .fifo
        case UInt8(ascii: "S") where format == .gnu: return .regular
        case UInt8(ascii: "M"):
            throw TarFailure(
                .unsupported,
                "it continues in another volume; write the archive anew without --multi-volume"
            )
        case UInt8(ascii: "S"):
            throw TarFailure(
                .unsupported,
                "it is a sparse file as only star writes them; write the archive anew without -sparse"
            )
        default:
            throw TarFailure(
                .unsupported,
                "its type '\(printable([type]))' is not one that POSIX or GNU tar define"
            )
        }
    }

    private func content(
        _ kind: TarEntry.Kind,
        _ records: PaxRecords,
        _ limits: TarLimits
    ) throws(TarFailure) -> (size: UInt64, layout: ContentLayout) {
        let isDump = type == UInt8(ascii: "D")
        guard kind == .regular || isDump else { return (0, .none) }
        let stored = try storedSize(records)
        if isDump { return (0, .passedOver(stored)) }
        var size = stored
        var layout = ContentLayout.plain(stored)
        if type == UInt8(ascii: "S") {
            guard let real = sparseRealSize, real >= 0 else {
                throw TarFailure(.invalid, "its real size is no number in range")
            }
            var segments: [SparseSegment] = []
            guard sparseMap.append(to: &segments) else {
                throw TarFailure(.invalid, "its sparse map has a wrong number")
            }
            size = UInt64(real)
            layout = .sparse(stored: stored, map: segments, rest: sparseMapContinues ? .blocks : .none)
        } else {
            switch try records.sparse.layout() {
            case .none: break
            case .records(let segments, let real):
                size = real
                layout = .sparse(stored: stored, map: segments, rest: .none)
            case .content(let real):
                size = real
                layout = .sparse(stored: stored, map: [], rest: .content)
            }
        }
        if let real = records.starRealSize, real != size {
            throw TarFailure(
                .unsupported,
                "it is a sparse file as only star writes them; write the archive anew without -sparse"
            )
        }
        guard size <= limits.entryBytes, stored <= limits.entryBytes + (1 << 32) else {
            throw TarFailure(
                .limitExceeded,
                "it has \(max(size, stored)) bytes; \(limits.entryBytes) are allowed"
            )
        }
        return (size, layout)
    }

    private func storedSize(_ records: PaxRecords) throws(TarFailure) -> UInt64 {
        if let size = records.size { return size }
        guard let size, size >= 0 else { throw TarFailure(.invalid, "its size is no number in range") }
        return UInt64(size)
    }

    private func identifier(_ pax: UInt64?, _ field: @autoclosure () -> Int64?, _ what: String)
        throws(TarFailure) -> UInt32
    {
        let value: Int64?
        if let pax { value = Int64(exactly: pax) } else { value = field() }
        guard let value, let identifier = UInt32(exactly: value) else {
            throw TarFailure(.invalid, "its \(what) ID is no number from 0 to \(UInt32.max)")
        }
        return identifier
    }

    private func setTime(of entry: inout TarEntry, _ records: PaxRecords) throws(TarFailure) {
        if let time = records.modified {
            (entry.modifiedSeconds, entry.modifiedNanoseconds) = time
        } else {
            guard let modified else {
                throw TarFailure(.invalid, "its modification time is no number in range")
            }
            entry.modifiedSeconds = modified
        }
    }

    /// Device numbers are where v7 has none: there 0 would be read, which overlayfs takes for a deletion.
    private func deviceNumber(_ pax: UInt64?, _ field: @autoclosure () -> Int64?) throws(TarFailure) -> UInt32
    {
        if let pax, let number = UInt32(exactly: pax) { return number }
        guard pax == nil, format != .v7, let value = field(), let number = UInt32(exactly: value) else {
            throw TarFailure(.invalid, "its device number is missing or out of range")
        }
        return number
    }
}
