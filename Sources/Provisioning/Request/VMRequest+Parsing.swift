public import Documents
import OCI
import Snapshots

extension VMRequest {
    /// Keys of the request that have a meaning, but not here.
    static let unsupportedKeys = ["dataDisks", "userData", "layers"]
    /// The smallest and largest memory, in bytes.
    static let memoryRange: ClosedRange<UInt64> = 32 << 20...64 << 40
    /// The smallest and largest writable disk, in bytes.
    static let diskRange: ClosedRange<UInt64> = WritableDisk.minimumSize...64 << 40
    /// The most processors: what KVM on x86 takes.
    static let processorRange: ClosedRange<Int64> = 1...8192
    /// The most interfaces: what one PCI segment takes beside everything else.
    static let netLimit = 16

    /// Reads a request from its document.
    ///
    /// - Parameters:
    ///   - document: the parsed file.
    ///   - stem: the file's name without its suffix: the VM's name where the request says none.
    /// - Throws: the first error, with its place.
    public init(_ document: Node, stem: String) throws(DocumentError) {
        var reader = try document.object()
        for key in Self.unsupportedKeys {
            if let value = reader.optional(key) { throw value.error("not supported yet: leave it out") }
        }
        try document.refuseControlCharacters()
        let image = try reader.required("image").parsedReference()
        self.init(name: try Self.name(reader.optional("name"), stem: stem, document: document), image: image)
        if let value = reader.optional("pull") { pull = try value.choice() }
        try readProcessors(&reader)
        try readMemory(&reader)
        try readDisk(&reader)
        try readNetwork(&reader)
        try readDevices(&reader)
        try readKernel(&reader)
        if let value = reader.optional("cloudHypervisor") { patch = try value.parsedPatch() }
        try reader.finish()
    }

    private static func name(_ node: Node?, stem: String, document: Node) throws(DocumentError) -> String {
        let name = try node?.string() ?? stem
        guard VMName.isValid(name) else {
            let subject = node == nil ? "the file's name makes the VM's name" : "this is no VM's name"
            let remedy = node == nil ? "; rename the file or write 'name'" : ""
            throw (node ?? document).error("\(subject), but \(VMName.rule)\(remedy)")
        }
        return name
    }

    private mutating func readProcessors(_ reader: inout ObjectReader) throws(DocumentError) {
        cpus = try reader.optional("cpus").map { node throws(DocumentError) in
            Int(try node.integer(in: Self.processorRange))
        }
        guard let node = reader.optional("maxCpus") else { return }
        maxCpus = Int(try node.integer(in: Self.processorRange))
        if let cpus, let maxCpus, maxCpus < cpus {
            throw node.error("\(maxCpus) is less than 'cpus', \(cpus)")
        }
    }

    private mutating func readMemory(_ reader: inout ObjectReader) throws(DocumentError) {
        if let node = reader.optional("hugepages") { hugepages = try node.bool() }
        guard let node = reader.optional("memory") else { return }
        let size = try node.byteCount(in: Self.memoryRange)
        // Huge pages of x86 and arm64 start at 2 MiB, all others at 4 KiB.
        let page: UInt64 = hugepages ? 2 << 20 : 4096
        guard size % page == 0 else { throw node.error("expected a multiple of \(ByteCount.text(page))") }
        memory = size
    }

    private mutating func readDisk(_ reader: inout ObjectReader) throws(DocumentError) {
        guard var disk = try reader.optional("disk")?.object() else { return }
        diskSize = try disk.optional("size")?.byteCount(in: Self.diskRange)
        try disk.finish()
    }

    private mutating func readDevices(_ reader: inout ObjectReader) throws(DocumentError) {
        if var object = try reader.optional("console")?.object() {
            console = try object.required("mode").choice()
            try object.finish()
        }
        if var object = try reader.optional("vsock")?.object() {
            // 0 to 2 and the highest have meanings of their own (vsock(7)).
            vsockCID = UInt32(try object.required("cid").integer(in: 3...Int64(UInt32.max) - 1))
            try object.finish()
        }
    }

    private mutating func readKernel(_ reader: inout ObjectReader) throws(DocumentError) {
        guard var object = try reader.optional("kernel")?.object() else { return }
        kernelProfile = try object.optional("profile")?.string()
        if let node = object.optional("args") { kernelArguments = try node.parsedKernelArguments() }
        try object.finish()
    }
}

extension Node {
    /// A reference or digest, as written.
    fileprivate func parsedReference() throws(DocumentError) -> String {
        let text = try string()
        guard Digest(text) == nil, Reference.candidates(for: text).isEmpty else { return text }
        throw error("'\(text)' is no image reference; write it as registry.example/team/web:1.2")
    }

    /// A size within a range.
    fileprivate func byteCount(in range: ClosedRange<UInt64>) throws(DocumentError) -> UInt64 {
        let size = try byteCount()
        guard range.contains(size) else {
            throw error(
                "\(ByteCount.text(size)) is not between \(ByteCount.text(range.lowerBound)) and "
                    + ByteCount.text(range.upperBound)
            )
        }
        return size
    }

    /// Words for the kernel command line.
    fileprivate func parsedKernelArguments() throws(DocumentError) -> String {
        let text = try string()
        guard text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw error("a kernel command line is ASCII")
        }
        guard text.utf8.count(where: { $0 == UInt8(ascii: "\"") }).isMultiple(of: 2) else {
            throw error("a quotation mark is not closed")
        }
        for word in text.split(separator: " ") {
            let key = word.drop { $0 == "\"" }.prefix { $0 != "=" }
            if KernelCommandLine.ownParameters.contains(String(key)) {
                throw error("'\(key)' is set by Slipway and cannot be given here")
            }
        }
        return text
    }

    /// A merge patch that leaves alone what is not the request's to change.
    fileprivate func parsedPatch() throws(DocumentError) -> JSONValue {
        for member in try members() where MergePatch.forbiddenKeys.contains(member.key) {
            throw DocumentError(
                file: file,
                mark: member.keyMark,
                keyPath: member.value.path,
                message: "a patch cannot touch '\(member.key)': it is made from the image"
            )
        }
        return jsonValue
    }
}
