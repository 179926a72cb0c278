import Foundation
import Host
import OCI
import SystemPackage
import TestSupport

/// What happens to an inbox in a storm, step by step.
struct Weather {
    private var generator: SeededRandom
    private let inbox: FilePath
    private let aside: FilePath
    private let contents: [StormContent]
    private(set) var steps = 0

    private static let files = (0..<14).map { "n\($0).tar" }
    private static let folders = (0..<3).map { "f\($0).image" }

    init(_ installation: Installation, seed: UInt64) async throws {
        generator = SeededRandom(seed)
        inbox = installation.root.appending("inbox")
        aside = installation.root.appending("aside")
        try Directory.create(aside)
        contents = try await StormContent.all()
    }

    mutating func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[random(0...elements.count - 1)]
    }

    mutating func step() throws {
        steps += 1
        let name = pick(Self.files)
        let path = inbox.appending(name)
        switch random(0...20) {
        case 0...3: try drop(pick(contents).bytes, as: path)
        case 4...5: try write(pick(contents).bytes, to: path)
        case 6:
            let bytes = pick(contents).bytes
            try write(Array(bytes.prefix(bytes.count / 2)), to: path)
        case 7...8: try Directory.unlink(path)
        case 9...10: try rename(path, to: inbox.appending(pick(Self.files)))
        case 11: try rename(path, to: inbox.appending(".\(name).part"))
        case 12: try rename(inbox.appending(".\(name).part"), to: path)
        case 13: try link(path, to: inbox.appending(pick(Self.files)))
        case 14: try folder(pick(Self.folders))
        case 15...16: try promise(for: path)
        case 17...18: try Directory.unlink(sidecar(of: path))
        case 19: try dropWithPromise(as: path)
        default: try touch(path)
        }
    }

    private func drop(_ bytes: [UInt8], as path: FilePath) throws {
        let hidden = aside.appending("dropping")
        try write(bytes, to: hidden)
        try Directory.rename(hidden, to: path)
    }

    private func write(_ bytes: [UInt8], to path: FilePath) throws {
        let file = try File(path, .writeOnly, options: [.create, .truncate])
        try bytes.withUnsafeBytes { bytes in
            try file.writeAll(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]))
            try file.writeAll(UnsafeRawBufferPointer(rebasing: bytes[(bytes.count / 2)...]))
        }
    }

    private func rename(_ from: FilePath, to: FilePath) throws {
        do throws(FileError) { try Directory.rename(from, to: to) } catch
            where error.errno == .noSuchFileOrDirectory
        {}
    }

    private func link(_ from: FilePath, to: FilePath) throws {
        guard try FileStatus.of(from) != nil, try FileStatus.of(to) == nil else { return }
        try FileManager.default.linkItem(atPath: from.string, toPath: to.string)
    }

    private func touch(_ path: FilePath) throws {
        guard try FileStatus.of(path) != nil else { return }
        try FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: path.string)
    }

    // MARK: Promised digests

    private func sidecar(of path: FilePath) -> FilePath { FilePath("\(path).sha256") }

    /// A digest is promised for a file: the one that it has, or one that it may get, or has no longer.
    private mutating func promise(for path: FilePath) throws {
        let present = try AtomicFile.read(path)
        let bytes = random(0...2) > 0 ? present : nil
        try promise(bytes ?? pick(contents).bytes, for: path)
    }

    private mutating func promise(_ bytes: [UInt8], for path: FilePath) throws {
        let digest = Digest.sha256(of: bytes).hex
        let name = path.lastComponent?.string ?? ""
        let text = pick([
            "\(digest)  \(name)\n", "\(digest)\n", "SHA256 (\(name)) = \(digest)", "no digest\n",
        ])
        if random(0...1) == 0 {
            try write(Array(text.utf8), to: sidecar(of: path))
        } else {
            try drop(Array(text.utf8), as: sidecar(of: path))
        }
    }

    /// A file and its promise, the one before the other.
    private mutating func dropWithPromise(as path: FilePath) throws {
        let bytes = pick(contents).bytes
        let isBefore = random(0...1) == 0
        if isBefore { try promise(bytes, for: path) }
        try drop(bytes, as: path)
        if !isBefore { try promise(bytes, for: path) }
    }

    // MARK: Folders

    /// An image folder comes, changes, moves away, or goes.
    private mutating func folder(_ name: String) throws {
        let path = inbox.appending(name)
        guard try FileStatus.of(path) != nil else {
            let hidden = aside.appending(name)
            try Directory.create(hidden)
            for layer in 0...random(0...2) {
                try write(pick(StormContent.tars), to: hidden.appending("\(layer).tar"))
            }
            return try Directory.rename(hidden, to: path)
        }
        switch random(0...2) {
        case 0: try Directory.removeTree(path)
        case 1: try write(pick(StormContent.tars), to: path.appending("\(random(0...3)).tar"))
        default:
            let hidden = aside.appending("away-\(steps)")
            try Directory.rename(path, to: hidden)
            try Directory.removeTree(hidden)
        }
    }

    // MARK: The end

    /// Ends it, and says what lies in the folder.
    func calm() throws -> Forecast {
        var expected: [String: Forecast.Fate] = [:]
        for entry in try Directory.entries(in: inbox)
        where !entry.name.hasPrefix(".") && !entry.name.hasSuffix(".sha256") {
            expected[entry.name] = try fate(of: entry.name, isFolder: entry.status.kind == .directory)
        }
        return Forecast(items: expected)
    }

    private func fate(of name: String, isFolder: Bool) throws -> Forecast.Fate {
        let path = inbox.appending(name)
        if isFolder {
            let files = try Directory.names(in: path).map(\.string).sorted()
            let layers = try files.map { Digest.sha256(of: try AtomicFile.read(path.appending($0)) ?? []) }
            return .images([layers])
        }
        let bytes = try AtomicFile.read(path) ?? []
        if let promise = try AtomicFile.read(sidecar(of: path)) {
            guard !promise.starts(with: "no".utf8) else { return .notTaken }
            let text = String(decoding: promise, as: UTF8.self)
            guard text.contains(Digest.sha256(of: bytes).hex) else { return .notTaken }
        }
        return .images(contents.first { $0.bytes == bytes }?.images ?? [])
    }
}

/// What may be dropped, and the layers of each image in it.
struct StormContent {
    var bytes: [UInt8]
    var images: [[Digest]]

    /// Root file systems.
    static let tars: [[UInt8]] = (0..<9).map { number in
        var tar = TarBuilder()
        tar.addFile("etc/hostname", "content \(number)")
        if number > 5 { tar.add("data", content: [UInt8](repeating: UInt8(number), count: 300_000 * number)) }
        return tar.finish()
    }

    static func all() async throws -> [StormContent] {
        var all = tars.map { StormContent(bytes: $0, images: [[.sha256(of: $0)]]) }
        all.append(StormContent(bytes: Array("no tar at all".utf8), images: []))
        all.append(dockerArchive([[0, 1], [0, 2]]))
        let layout = try await layout([3, 7])
        all.append(layout)
        all.append(StormContent(bytes: try await compressed(layout.bytes), images: layout.images))
        return all
    }

    /// A docker-archive of images whose layers are some of the tars.
    private static func dockerArchive(_ images: [[Int]]) -> StormContent {
        var archive = TarBuilder()
        var manifest: [String] = []
        for (number, layers) in images.enumerated() {
            let diffIDs = layers.map { "\"\(Digest.sha256(of: tars[$0]))\"" }.joined(separator: ",")
            let host = Platform.host
            let config =
                #"{"os":"\#(host.os)","architecture":"\#(host.architecture)","rootfs":{"type":"layers","diff_ids":[\#(diffIDs)]}}"#
            let id = Digest.sha256(of: config.utf8).hex
            archive.addFile("\(id).json", config)
            let names = layers.map { "\(id)/\($0)/layer.tar" }
            for (name, layer) in zip(names, layers) { archive.add(name, content: tars[layer]) }
            let list = names.map { "\"\($0)\"" }.joined(separator: ",")
            manifest.append(
                #"{"Config":"\#(id).json","RepoTags":["example.org/storm/image\#(number):1"],"Layers":[\#(list)]}"#
            )
        }
        archive.addFile("manifest.json", "[\(manifest.joined(separator: ","))]")
        return StormContent(
            bytes: archive.finish(),
            images: images.map { $0.map { .sha256(of: tars[$0]) } }
        )
    }

    /// An OCI layout of one image whose layers are some of the tars, one of them compressed.
    private static func layout(_ layers: [Int]) async throws -> StormContent {
        let layout = try TestLayout()
        var all: [TestLayout.Layer] = []
        for (position, layer) in layers.enumerated() {
            all.append(position == 0 ? .plain(tars[layer]) : try await .zstd(tars[layer]))
        }
        _ = try layout.image(all, tag: "example.org/storm/layout:1")
        let folder = try TemporaryDirectory("layout")
        try await check(
            "tar",
            ["-C", layout.path.string, "--sort=name", "-cf", folder.appending("out").string, "."]
        )
        return StormContent(
            bytes: try folder.bytes(of: "out"),
            images: [layers.map { .sha256(of: tars[$0]) }]
        )
    }

    private static func compressed(_ bytes: [UInt8]) async throws -> [UInt8] {
        let folder = try TemporaryDirectory("compressed")
        let file = try folder.write(bytes, to: "in")
        try await check("sh", ["-c", "gzip -nc '\(file)' >'\(folder.path)/out'"])
        return try folder.bytes(of: "out")
    }
}
