import Agent
import ArgumentParser
import Documents
import Foundation
import Glibc
import Host
import ImageBackend
import Logging
import OCI
import SystemPackage

extension ImageCommand {
    /// `slipway image save`
    struct Save: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "save",
            abstract: "Write images as an archive that another host's inbox, skopeo and podman take.",
            discussion: """
                The archive is an OCI layout in a tar; layers that images share are in it once. It goes to stdout unless \
                --to names a file, which appears when it is complete. Layers are written as tars again, so most have \
                other diffIDs than before: the output says which. With --native the blobs themselves go along, and the \
                next slipway converts nothing; other tools cannot read them.
                """
        )

        @Argument(help: ArgumentHelp("The images.", valueName: "ref"))
        var references: [String]

        @Option(help: ArgumentHelp("The file to write; - is stdout.", valueName: "file"))
        var to = "-"

        @Flag(help: "Carry the EROFS blobs instead of tars.")
        var native = false

        @Option(help: "How layers are compressed: zstd unless said. gzip is for tools of before 2022.")
        var compression: LayerCompression?

        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard !references.isEmpty else { throw ValidationError("at least one image is needed") }
            guard !native || compression == nil else {
                throw ValidationError("--native carries the blobs as they are: there is nothing to compress")
            }
            guard to != "-" || isatty(STDOUT_FILENO) == 0 else {
                throw ValidationError(
                    "an archive is nothing for a terminal: name a file with --to, or send stdout elsewhere"
                )
            }
        }

        func run() async throws {
            let session = try Session(options)
            // Opened by whoever runs the command, not by the store's owner.
            let target = try Target(to, options)
            let world: World
            do { world = try await session.openExisting() } catch {
                try target.discard()
                throw error
            }
            let progress = ProgressLine()
            defer { progress.clear() }
            let form: SaveRequest.Form = native ? .native : .tar((compression ?? .zstd).value)
            let report: SaveReport
            do {
                report = try await world.images.save(
                    SaveRequest(references, as: form),
                    to: target.output,
                    tracker: progress
                )
                try await target.commit()
            } catch {
                try target.discard()
                throw error
            }
            progress.clear()
            for warning in report.warnings { session.logger.warning("\(warning)") }
            try show(report, onErrors: target.isStream)
        }

        /// Where the archive itself may go to stdout, what there is to say goes to stderr.
        private func show(_ report: SaveReport, onErrors: Bool) throws {
            let text: String
            if options.output == .json {
                let bytes = try JSONValue.encoding(report).serialized(pretty: true)
                text = String(decoding: bytes, as: UTF8.self)
            } else {
                var table = Table(
                    .text("IMAGE"),
                    .text("SAVED AS"),
                    .number("LAYER"),
                    .text("DIFFID"),
                    .text("SAVED DIFFID"),
                    .number("SIZE")
                )
                for image in report.images {
                    for (position, layer) in image.layers.enumerated() {
                        table.add(
                            position == 0 ? image.references.first ?? image.digest.short : "",
                            position == 0 ? image.savedDigest.short : "",
                            "\(position)",
                            layer.diffID.short,
                            layer.isRewritten ? layer.savedDiffID.short : "the same",
                            ByteCount.rounded(layer.bytes)
                        )
                    }
                }
                text = table.text
            }
            if onErrors { StandardError.write(text) } else { StandardOutput.write(text) }
        }
    }
}

/// Where an archive is written to.
private struct Target {
    let output: OCIBackend.SaveOutput
    private let replacement: FileReplacement?

    /// Whether it is written into, rather than a file put in a place.
    var isStream: Bool { replacement == nil }

    init(_ argument: String, _ options: GlobalOptions) throws {
        guard argument != "-" else {
            let descriptor = FileDescriptor(rawValue: dup(STDOUT_FILENO))
            output = .stream(File(owning: descriptor, path: "standard output"))
            replacement = nil
            return
        }
        var path = options.absolute(argument)
        if let kind = try FileStatus.of(path)?.kind, kind != .regular, kind != .directory {
            // A FIFO or a device is written into, not replaced; /dev/stdout is a link to one.
            let file = try File(path, .writeOnly)
            guard try file.status().kind == .regular else {
                output = .stream(file)
                replacement = nil
                return
            }
            path = FilePath(URL(fileURLWithPath: path.string).resolvingSymlinksInPath().path)
        }
        let replacement = try FileReplacement(path)
        output = .file(replacement.file)
        self.replacement = replacement
    }

    func commit() async throws {
        guard let replacement else { return }
        try await onThread(named: "sync-archive") { _ in try replacement.synchronize() }
        try Ownership.asCaller { try replacement.commit() }
    }

    func discard() throws { try Ownership.asCaller { try replacement?.discard() } }
}

/// `--compression`
enum LayerCompression: String, ExpressibleByArgument, CaseIterable {
    case none, gzip, zstd

    var value: MediaType.Compression {
        switch self {
        case .none: .none
        case .gzip: .gzip
        case .zstd: .zstd
        }
    }
}
