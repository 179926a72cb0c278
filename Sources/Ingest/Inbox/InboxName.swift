/// What a name in the inbox says about the entry.
enum InboxName {
    /// The ending of a folder of ordered tar files.
    static let folderEnding = ".image"
    /// The ending of a file with the SHA-256 of the file beside it.
    static let sidecarEnding = ".sha256"
    /// The file in an image folder that names the layers.
    static let layersFile = "layers"

    private static let partialEndings = [
        ".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download", ".opdownload",
        ".aria2",
        ".swp", ".swo", ".swx", "~",
    ].map { Array($0.utf8) }

    private static let tarEndings = [
        ".tar", ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2", ".tar.lz4", ".tgz", ".taz", ".tzst", ".txz",
        ".tbz2",
        ".tbz", ".oci",
    ].map { Array($0.utf8) }

    /// Whether the entry is none of the inbox's business: hidden, the unfinished work of another program (rsync and
    /// Ansible write dotfiles, browsers and editors have endings of their own), or the folder that ext4 keeps.
    static func isIgnored(_ name: String) -> Bool {
        guard let first = name.utf8.first, let last = name.utf8.last else { return true }
        if first == UInt8(ascii: ".") || first == UInt8(ascii: "~") || name == "lost+found" { return true }
        if first == UInt8(ascii: "#") && last == UInt8(ascii: "#") { return true }
        return partialEndings.contains { hasEnding($0, name) }
    }

    /// Whether the entry is the sidecar of another.
    static func isSidecar(_ name: String) -> Bool { name.hasSuffix(sidecarEnding) }

    /// Whether a folder of this name is an image.
    static func isImageFolder(_ name: String) -> Bool { name.hasSuffix(folderEnding) && name != folderEnding }

    /// Whether the name promises a tar file. Any other file is taken only if it looks like one.
    static func promisesTar(_ name: String) -> Bool { tarEndings.contains { hasEnding($0, name) } }

    /// Whether the name ends so, letters of either case alike. Every pass asks this of every name.
    private static func hasEnding(_ ending: [UInt8], _ name: String) -> Bool {
        name.utf8.count >= ending.count
            && zip(name.utf8.reversed(), ending.reversed()).allSatisfy { letter, wanted in
                letter == wanted
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(letter) && letter + 32 == wanted
            }
    }

    /// The order of layers in an image folder: by leading number, then byte by byte, so that `2-app` precedes
    /// `10-app` whether or not the numbers are padded.
    static func precedes(_ left: String, _ right: String) -> Bool {
        switch (leadingNumber(left), leadingNumber(right)) {
        case (let a?, let b?) where a != b: a < b
        case (_?, nil): true
        case (nil, _?): false
        default: left.utf8.lexicographicallyPrecedes(right.utf8)
        }
    }

    /// The number in front; one of more than 18 digits counts as none.
    private static func leadingNumber(_ name: String) -> UInt64? {
        let digits = name.utf8.prefix { (48...57).contains($0) }
        guard digits.count <= 18 else { return nil }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }
}
