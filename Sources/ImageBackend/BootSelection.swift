import Store

/// Finds the kernel and initramfs of an image in the merged view of its layers' `/boot`.
///
/// The highest version that has both `vmlinuz-VERSION` and `initrd.img-VERSION` wins; without one, `vmlinuz` and
/// `initrd.img` themselves. Symbolic links within `/boot` are followed, whiteouts and opaque folders respected,
/// names that end in `.old` passed over.
struct BootSelection: Equatable {
    /// A boot file: the layer that has it and its name there.
    struct File: Equatable {
        var layer: LayerKey
        var name: String
    }

    var kernel: File
    var initrd: File
    /// The version in the names; empty for the unversioned pair.
    var version: String

    /// Selects from layers, bottom first; nil when there is no pair.
    init?(_ layers: [(key: LayerKey, listing: BootListing)]) {
        let view = BootView(layers)
        let pairs = view.names(after: "vmlinuz").compactMap { version -> BootSelection? in
            guard let kernel = view.file("vmlinuz\(version)"), let initrd = view.file("initrd.img\(version)")
            else { return nil }
            return BootSelection(kernel: kernel, initrd: initrd, version: version)
        }
        // "" sorts before any version, so the unversioned pair is the last choice.
        guard let best = pairs.max(by: { KernelVersion($0.version) < KernelVersion($1.version) }) else {
            return nil
        }
        self = best
    }

    private init(kernel: File, initrd: File, version: String) {
        self.kernel = kernel
        self.initrd = initrd
        self.version = version
    }

    /// Whether a name in `/boot` may matter.
    static func isCandidate(_ name: String) -> Bool {
        guard !name.hasSuffix(".old") else { return false }
        return ["vmlinuz", "initrd.img"].contains { name == $0 || name.hasPrefix("\($0)-") }
    }
}

/// `/boot` as a guest would see it.
private struct BootView {
    private var entries: [String: (layer: LayerKey, kind: BootListing.Entry.Kind)] = [:]

    init(_ layers: [(key: LayerKey, listing: BootListing)]) {
        for (key, listing) in layers {
            if listing.folder == .replaced { entries = [:] }
            for entry in listing.entries {
                entries[entry.name] = entry.kind == .whiteout ? nil : (key, entry.kind)
            }
        }
    }

    /// What follows a prefix in the names that start with it: `` and `-6.1.0-9-amd64`.
    func names(after prefix: String) -> [String] {
        entries.keys.filter { $0.hasPrefix(prefix) && BootSelection.isCandidate($0) }
            .map { String($0.dropFirst(prefix.count)) }
    }

    /// The non-empty regular file that a name leads to.
    func file(_ name: String) -> BootSelection.File? {
        var name = name
        // A chain longer than the kernel would follow is a loop.
        for _ in 0..<40 {
            guard let entry = entries[name] else { return nil }
            switch entry.kind {
            case .file(let size): return size > 0 ? BootSelection.File(layer: entry.layer, name: name) : nil
            case .symbolicLink(let target):
                guard let next = BootListing.nameInBoot(target) else { return nil }
                name = next
            case .whiteout, .other: return nil
            }
        }
        return nil
    }
}

extension BootListing {
    /// The name in `/boot` that a symbolic link in `/boot` points at; nil when it leads elsewhere.
    static func nameInBoot(_ target: String) -> String? {
        var parts = target.split(separator: "/").filter { $0 != "." }
        if target.hasPrefix("/") {
            guard parts.first == "boot" else { return nil }
            parts.removeFirst()
        } else if parts.starts(with: ["..", "boot"]) {
            parts.removeFirst(2)
        }
        guard parts.count == 1, let name = parts.first, name != ".." else { return nil }
        return String(name)
    }
}

/// A kernel's version, ordered as people expect: runs of digits by value, everything else by its characters, a
/// pre-release (`-rc1`, `~rc1`) before its release.
struct KernelVersion: Comparable {
    private enum Part: Equatable { case number(digits: String), text(String) }
    private let parts: [Part]

    init(_ text: String) {
        var parts: [Part] = []
        var rest = text[...]
        while let first = rest.first {
            let isDigit = first.isASCII && first.isNumber
            let run = rest.prefix { ($0.isASCII && $0.isNumber) == isDigit }
            rest = rest.dropFirst(run.count)
            let digits = String(run.drop { $0 == "0" })
            parts.append(isDigit ? .number(digits: digits) : .text(String(run)))
        }
        self.parts = parts
    }

    static func < (left: KernelVersion, right: KernelVersion) -> Bool {
        for (a, b) in zip(left.parts, right.parts) where a != b {
            switch (a, b) {
            case (.number(let x), .number(let y)): return x.count != y.count ? x.count < y.count : x < y
            case (.text(let x), .text(let y)):
                let (early, late) = (isPreRelease(x), isPreRelease(y))
                return early != late ? early : x < y
            case (.number, .text(let y)): return !isPreRelease(y)
            case (.text(let x), .number): return isPreRelease(x)
            }
        }
        // One is the beginning of the other: what follows decides.
        if left.parts.count < right.parts.count, case .text(let next) = right.parts[left.parts.count] {
            return !isPreRelease(next)
        }
        if left.parts.count > right.parts.count, case .text(let next) = left.parts[right.parts.count] {
            return isPreRelease(next)
        }
        return left.parts.count < right.parts.count
    }

    private static func isPreRelease(_ text: String) -> Bool {
        text.hasPrefix("~") || text.hasPrefix("-rc") || text.hasPrefix("_rc")
    }
}
