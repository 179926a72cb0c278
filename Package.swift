// swift-tools-version: 6.2

import PackageDescription

/// Swift 6 mode is the tools version's default; these two make imports and existentials explicit as well.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// What takes bytes from strangers is compiled for libFuzzer where contrib/fuzz asks for it. All else is not: that would
/// take far longer, and the fuzzer would learn from code that is not at stake.
let fuzzed: [SwiftSetting] =
    Context.environment["SLIPWAY_FUZZ"] == nil
    ? []
    : [
        .unsafeFlags([
            "-O", "-sanitize=address", "-sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp",
        ])
    ]

/// A room of the house: a library target whose tests mirror it under `Tests/`.
func room(_ name: String, _ dependencies: [Target.Dependency], _ more: [SwiftSetting] = []) -> [Target] {
    [
        .target(name: name, dependencies: dependencies, swiftSettings: settings + more),
        .testTarget(
            name: "\(name)Tests",
            dependencies: [.byName(name: name), "TestSupport"] + dependencies,
            swiftSettings: settings
        ),
    ]
}

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")

let package = Package(
    name: "slipway",
    products: [
        .executable(name: "slipway", targets: ["slipway"])
    ],
    dependencies: [
        // The command line: subcommands, help, completion scripts and exit codes the way Swift tools have them.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // One logging front for every room; the handler (text, JSON) is chosen by the command line.
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // Signals and an orderly stop of the agent's services.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // SQLite with migrations, a reader pool and one writer, on the system's library.
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // A YAML parser whose nodes know their line and column, so that every error can say where.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // Child processes (mke2fs, fsck.erofs) without blocking a thread each.
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        // `FilePath`, `Errno` and file descriptors as types.
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "CLibArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CInotifyTools", providers: [.apt(["libinotifytools0-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
        .systemLibrary(name: "CBZip2", providers: [.apt(["libbz2-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "CShims"),
        .target(
            name: "TestSupport",
            dependencies: ["CShims", "Host", "OCI", system, subprocess],
            path: "Tests/TestSupport",
            exclude: [
                "Faults/kill_at.c", "Registries/token_server.py", "Registries/faulty_registry.py",
            ],
            swiftSettings: settings
        ),
    ]
        + room("Host", ["CShims", system])
        + room("Documents", [.product(name: "Yams", package: "Yams")])
        + room("EROFS", ["CShims", "CLZ4", "COpenSSL", "Host", system], fuzzed)
        + room("OCI", ["COpenSSL"])
        + room("CloudHypervisor", ["Documents"])
        + room(
            "Archives",
            ["CISAL", "CZstd", "CLZ4", "CLZMA", "CBZip2", "CLibArchive", "Host", "OCI", system],
            fuzzed
        )
        + room("Registry", ["CCurl", "Host", "Documents", "OCI", "Archives", log, system, subprocess])
        + room("GarbageCollection", [log])
        + room(
            "Store",
            ["Host", "OCI", "GarbageCollection", log, system, .product(name: "GRDB", package: "GRDB.swift")]
        )
        + room(
            "ImageBackend",
            [
                "Host", "EROFS", "OCI", "Archives", "Registry", "GarbageCollection", "Store", log, system,
                subprocess,
            ],
            fuzzed
        )
        + room("Snapshots", ["Host", "OCI", "GarbageCollection", "Store", log, system, subprocess])
        + room(
            "Provisioning",
            [
                "Host", "Documents", "EROFS", "OCI", "CloudHypervisor", "Archives", "GarbageCollection",
                "Store",
                "ImageBackend", "Snapshots", log, system,
            ]
        )
        + room(
            "Ingest",
            ["CShims", "CInotifyTools", "Host", "Documents", "OCI", "Store", "ImageBackend", log, system]
        )
        + room(
            "Agent",
            [
                "Host", "Documents", "EROFS", "OCI", "CloudHypervisor", "Archives", "GarbageCollection",
                "Store",
                "ImageBackend", "Registry", "Snapshots", "Provisioning", "Ingest", log, system,
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        )
        + [
            .executableTarget(
                name: "layer-convert",
                dependencies: ["Host", "EROFS", "Archives", "ImageBackend", system],
                path: "contrib/bench/LayerConvert",
                swiftSettings: settings
            ),
            .executableTarget(
                name: "layer-merge",
                dependencies: ["Host", "EROFS", "ImageBackend", system],
                path: "contrib/bench/LayerMerge",
                swiftSettings: settings
            ),
            .executableTarget(
                name: "image-check",
                dependencies: ["EROFS", "Host", system],
                path: "contrib/bench/ImageCheck",
                swiftSettings: settings
            ),
            .executableTarget(
                name: "registry-fetch",
                dependencies: ["Host", "OCI", "Registry", log],
                path: "contrib/bench/RegistryFetch",
                swiftSettings: settings
            ),
            .executableTarget(
                name: "slipway",
                dependencies: [
                    "Host", "Documents", "EROFS", "OCI", "GarbageCollection", "Store", "ImageBackend",
                    "Snapshots",
                    "Provisioning", "Ingest", "Agent", log, system,
                    .product(name: "ArgumentParser", package: "swift-argument-parser"),
                    .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                    .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                ],
                swiftSettings: settings
            ),
            // A process that the store's tests run beside their own, and kill.
            .executableTarget(
                name: "StoreRaceTool",
                dependencies: ["Host", "OCI", "Store", system],
                path: "Tests/StoreRaceTool",
                swiftSettings: settings
            ),
            // Targets for libFuzzer, which contrib/fuzz links in; without it, a program that replays findings.
            .target(name: "CLibFuzzer", path: "Tests/CLibFuzzer"),
            .executableTarget(
                name: "FuzzTool",
                dependencies: [
                    "CLibFuzzer", "Host", "EROFS", "Archives", "ImageBackend", "TestSupport", system,
                ],
                path: "Tests/FuzzTool",
                swiftSettings: settings + fuzzed,
                linkerSettings: fuzzed.isEmpty ? [] : [.unsafeFlags(["-sanitize=address"])]
            ),
            .testTarget(
                name: "CommandLineTests",
                dependencies: ["slipway", "Documents", "TestSupport", "Host", system],
                swiftSettings: settings
            ),
            // Boots what was rendered, in QEMU.
            .testTarget(
                name: "BootTests",
                dependencies: ["slipway", "Documents", "TestSupport", "Host", "OCI", system, subprocess],
                exclude: ["Support/hypervisor_standin.py"],
                swiftSettings: settings
            ),
            .testTarget(
                name: "EndToEndTests",
                dependencies: ["slipway", "TestSupport", "Host", "OCI", system, subprocess],
                swiftSettings: settings
            ),
        ]
)
