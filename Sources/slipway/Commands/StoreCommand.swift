import Agent
import ArgumentParser
import Documents
import Host
import ImageBackend
import Store

/// `slipway store`
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Check the store and show what it takes.",
        subcommands: [Verify.self, Usage.self, RebuildIndex.self]
    )

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Read every blob and every merged disk and compare it with its record.",
            discussion: """
                With --deep every one of them is also read as a kernel would read it, and all that is compressed in it is \
                expanded; with --fsck the installed fsck.erofs does so. The exit code is 3 if one is damaged.
                """
        )

        @Flag(help: "Read every blob as an EROFS image too.")
        var deep = false

        @Flag(help: "Have fsck.erofs check every blob too.")
        var fsck = false

        @Flag(
            help: """
                Remove the files of damaged ones: importing their images again makes blobs anew; merged disks are made \
                anew when they are needed.
                """
        )
        var repair = false

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            var examinations: [BlobExamination] = []
            if deep { examinations.append(.structure) }
            if fsck {
                let kernel = world.settings.store.guestKernel
                examinations.append(.fsck(try await ErofsTool.fit(.fsck, for: kernel, in: .process)))
            }
            let progress = ScrubProgress()
            let problems = try await world.store.verifyBlobs(examinations: examinations) {
                progress.report(read: $0, of: $1)
            }
            let merged = try await world.store.verifyMergedDisks(examinations: examinations) {
                progress.report(read: $0, of: $1)
            }
            progress.clear()
            if options.output == .json {
                try StandardOutput.write(
                    json: ["schema": 1, "problems": .encoding(problems), "merged": .encoding(merged)]
                )
            } else if problems.isEmpty && merged.isEmpty {
                StandardOutput.write("Every blob and merged disk is as it was written.\n")
            } else {
                var table = Table(
                    .text("LAYER OR DISK"),
                    .text("PROBLEM"),
                    .number("IMAGES"),
                    .number("VMS"),
                    .text("MESSAGE")
                )
                for problem in problems {
                    table.add(
                        problem.key.diffID.short,
                        problem.kind.rawValue,
                        "\(problem.images.count)",
                        "\(problem.vms.count)",
                        problem.message
                    )
                }
                for problem in merged {
                    table.add(
                        problem.id.short,
                        problem.kind.rawValue,
                        "",
                        "\(problem.vms.count)",
                        problem.message
                    )
                }
                StandardOutput.write(table.text)
            }
            if repair {
                for problem in problems
                where try await world.store.discardDamagedBlob(problem.key, examinations: examinations) {
                    StandardError.write("removed \(problem.path); import its image again\n")
                }
                for problem in merged
                where try await world.store.discardDamagedMergedDisk(
                    problem.id,
                    examinations: examinations
                ) {
                    StandardError.write("removed \(problem.path); it is made anew when it is needed\n")
                }
            }
            guard problems.isEmpty, merged.isEmpty else { throw ExitCode(ExitStatus.partial.rawValue) }
        }
    }

    struct RebuildIndex: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rebuild-index",
            abstract: "Make the index anew from the documents beside the content.",
            discussion: """
                For an index that is damaged or lost; no agent and no other command may have the store open. The exit code is 3 if something could not be \
                taken over.
                """
        )

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let session = try Session(options)
            let paths = session.settings.paths
            try Ownership.assume(of: paths.store.root, root: session.settings.root)
            let lock = try AgentLock(paths.agentLock)
            defer { withExtendedLifetime(lock) {} }
            let report = try await Store.rebuildIndex(layout: paths.store)
            if options.output == .json {
                StandardOutput.write(json: try JSONValue.encoding(report).merging(patch: ["schema": 1]))
            } else {
                let counts = [
                    CountText.text(report.blobs, "blob"), CountText.text(report.images, "image"),
                    CountText.text(report.vms, "VM"),
                ]
                StandardOutput.write("\(counts.joined(separator: ", "))\n")
                for problem in report.problems { StandardError.write("\(problem)\n") }
            }
            guard report.problems.isEmpty else { throw ExitCode(ExitStatus.partial.rawValue) }
        }
    }

    struct Usage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "usage",
            abstract: "Show what the store takes, by kind and by image."
        )

        @OptionGroup var options: GlobalOptions

        func run() async throws {
            let world = try await Session(options).openExisting()
            let usage = try await world.store.usage()
            if options.output == .json {
                return StandardOutput.write(json: try JSONValue.encoding(usage).merging(patch: ["schema": 1]))
            }
            var facts = Facts()
            facts.add("Blobs", ByteCount.rounded(usage.blobBytes))
            facts.add("Boot files", ByteCount.rounded(usage.bootBytes))
            facts.add("Merged disks", ByteCount.rounded(usage.mergedBytes))
            facts.add("Disk templates", ByteCount.rounded(usage.templateBytes))
            facts.add("Work in flight", ByteCount.rounded(usage.tempBytes))
            facts.add("Downloads", ByteCount.rounded(usage.partialBytes))
            facts.add("Trash", ByteCount.rounded(usage.trashBytes))
            facts.add("Index", ByteCount.rounded(usage.indexBytes))
            var table = Table(.text("IMAGE"), .number("UNIQUE"), .number("SHARED"))
            for image in usage.images {
                table.add(
                    image.digest.short,
                    ByteCount.rounded(image.uniqueBytes),
                    ByteCount.rounded(image.sharedBytes)
                )
            }
            StandardOutput.write("\(facts.text)\n\(table.text)")
        }
    }
}
