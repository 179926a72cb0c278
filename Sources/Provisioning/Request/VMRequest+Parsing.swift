public import Documents
import OCI
import Snapshots

extension VMRequest {
    /// The smallest and largest memory, in bytes.
    static let memoryRange: ClosedRange<UInt64> = 32 << 20...64 << 40
    /// The smallest and largest writable disk, in bytes.
    static let diskRange: ClosedRange<UInt64> = WritableDisk.minimumSize...64 << 40
    /// The most processors: what KVM on x86 takes.
    static let processorRange: ClosedRange<Int64> = 1...8192
    /// The most interfaces: with them, the data disks and all else, PCI segment 0 is not full.
    static let netLimit = 8
    /// The most data disks.
    static let dataDiskLimit = 12
    /// Memory is plugged in steps of this many bytes.
    static let hotplugStep: UInt64 = 128 << 20

    /// What ends a line or moves in it: user data has these, and nothing else may.
    private static let lineCharacters: Set<Unicode.Scalar> = ["\n", "\r", "\t"]

    /// Reads a request from its document.
    ///
    /// - Parameters:
    ///   - document: the parsed file.
    ///   - stem: the file's name without its suffix: the VM's name where the request says none.
    ///   - defaults: what the settings say where the request says nothing.
    /// - Throws: the first error, with its place.
    public init(_ document: Node, stem: String, defaults: VMRequest? = nil) throws(DocumentError) {
        try Self.refuseControlCharacters(document)
        var reader = try document.object()
        let image = try reader.required("image").parsedReference()
        self.init(name: try Self.name(reader.optional("name"), stem: stem, document: document), image: image)
        if let value = reader.optional("hostname") { hostname = try value.parsedHostname() }
        if var object = try reader.optional("vsock")?.object() {
            // 0 to 2 and the highest have meanings of their own (vsock(7)).
            vsockCID = UInt32(try object.required("cid").integer(in: 3...Int64(UInt32.max) - 1))
            try object.finish()
        }
        try readShared(&reader, allowsOwnNets: true)
        if let defaults { fill(from: defaults) }
        try checkTogether(document)
        try reader.finish()
    }

    /// Reads what the settings give to requests that leave it open: every member that is not one VM's own.
    ///
    /// - Throws: the first error, with its place.
    public init(defaults document: Node) throws(DocumentError) {
        self.init(name: "", image: "")
        if document.isNull { return }
        try Self.refuseControlCharacters(document)
        var reader = try document.object()
        for key in ["name", "image", "hostname", "vsock"] {
            if let value = reader.optional(key) {
                throw value.error("it is one VM's own, and no default for all of them")
            }
        }
        try readShared(&reader, allowsOwnNets: false)
        try checkTogether(document)
        try reader.finish()
    }

    private mutating func readShared(
        _ reader: inout ObjectReader,
        allowsOwnNets: Bool
    ) throws(DocumentError) {
        if let value = reader.optional("pull") { pull = try value.choice() }
        if let value = reader.optional("layers") { layers = try value.choice() }
        if let value = reader.optional("cpus") { cpus = Int(try value.integer(in: Self.processorRange)) }
        if let value = reader.optional("maxCpus") {
            maxCpus = Int(try value.integer(in: Self.processorRange))
        }
        try readMemory(&reader)
        try readDisks(&reader)
        try readNetwork(&reader, allowsOwnNets: allowsOwnNets)
        try readConsoles(&reader)
        if let value = reader.optional("watchdog") { watchdog = try value.bool() }
        try readKernel(&reader)
        if let value = reader.optional("userData") { userData = try value.parsedUserData() }
        if let value = reader.optional("cloudHypervisor") { patch = try value.parsedPatch() }
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

    /// A size, or a mapping with the size in it; `hugepages` may also stand beside it.
    private mutating func readMemory(_ reader: inout ObjectReader) throws(DocumentError) {
        let outer = reader.optional("hugepages")
        memory.usesHugePages = try outer?.bool()
        guard let node = reader.optional("memory") else { return }
        guard case .object = node.kind else { return memory.size = try node.byteCount(in: Self.memoryRange) }
        var object = try node.object()
        memory.size = try object.optional("size")?.byteCount(in: Self.memoryRange)
        if let value = object.optional("hugepages") {
            if let outer { throw outer.error("it stands in 'memory' too; keep one of the two") }
            memory.usesHugePages = try value.bool()
        }
        memory.isShared = try object.optional("shared")?.bool()
        if let value = object.optional("hotplugSize") {
            let size = try value.byteCount(in: Self.hotplugStep...Self.memoryRange.upperBound)
            guard size.isMultiple(of: Self.hotplugStep) else {
                throw value.error("expected a multiple of \(ByteCount.text(Self.hotplugStep))")
            }
            memory.hotplugSize = size
        }
        try object.finish()
    }

    private mutating func readConsoles(_ reader: inout ObjectReader) throws(DocumentError) {
        if var object = try reader.optional("serial")?.object() {
            serial = try object.required("mode").choice()
            try object.finish()
        }
        if var object = try reader.optional("console")?.object() {
            console = try object.required("mode").choice()
            try object.finish()
        }
    }

    private mutating func readKernel(_ reader: inout ObjectReader) throws(DocumentError) {
        guard var object = try reader.optional("kernel")?.object() else { return }
        kernelProfile = try object.optional("profile")?.string()
        if let node = object.optional("args") { kernelArguments = try node.parsedKernelArguments() }
        try object.finish()
    }

    /// Rules between members, some of which may have come from the defaults.
    private func checkTogether(_ document: Node) throws(DocumentError) {
        func place(_ keys: String...) -> Node {
            keys.lazy.compactMap { document.member($0) }.first ?? document
        }
        if let cpus, let maxCpus, maxCpus < cpus {
            throw place("maxCpus", "cpus").error("\(maxCpus) is less than 'cpus', \(cpus)")
        }
        // Huge pages of x86 and arm64 start at 2 MiB, all others at 4 KiB.
        let page: UInt64 = memory.usesHugePages == true ? 2 << 20 : 4096
        if let size = memory.size, !size.isMultiple(of: page) {
            throw place("memory", "hugepages").error("expected a multiple of \(ByteCount.text(page))")
        }
    }

    private static func refuseControlCharacters(_ document: Node) throws(DocumentError) {
        for member in try document.members() {
            guard member.key == "userData" else {
                var part = document
                part.kind = .object([member])
                try part.refuseControlCharacters()
                continue
            }
            // An error repeats nothing of the text.
            try member.value.refuseControlCharacters(allowing: lineCharacters)
        }
    }
}

extension Node {
    /// The value of a mapping's key.
    fileprivate func member(_ key: String) -> Node? {
        guard case .object(let members) = kind else { return nil }
        return members.first { $0.key == key && !$0.value.isNull }?.value
    }

    /// A reference or digest, as written.
    fileprivate func parsedReference() throws(DocumentError) -> String {
        let text = try string()
        guard Digest(text) == nil, Reference.candidates(for: text).isEmpty else { return text }
        throw error("'\(text)' is no image reference; write it as registry.example/team/web:1.2")
    }

    fileprivate func parsedHostname() throws(DocumentError) -> String {
        let text = try string()
        guard Hostname.isValid(text) else { throw error(Hostname.rule) }
        return text
    }

    /// A size within a range.
    func byteCount(in range: ClosedRange<UInt64>) throws(DocumentError) -> UInt64 {
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

    /// A text that no error repeats.
    fileprivate func parsedUserData() throws(DocumentError) -> VMRequest.UserData {
        guard case .string(let text) = kind else {
            throw error("expected a text; write it after 'userData: |'")
        }
        guard !text.isEmpty else { throw error("it is empty; leave it out, or write '#cloud-config'") }
        return VMRequest.UserData(text)
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
