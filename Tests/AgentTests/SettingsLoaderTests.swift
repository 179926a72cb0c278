import Documents
import EROFS
import Provisioning
import Store
import SystemPackage
import TestSupport
import Testing

@testable import Agent

@Suite("Settings")
struct SettingsLoaderTests {
    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("settings") }

    private func load(
        _ environment: [String: String] = [:],
        flags: [String: (value: String, flag: String)] = [:]
    ) throws -> LoadedSettings {
        var loader = SettingsLoader(environment: environment)
        loader.folder = folder.path
        loader.flags = flags
        return try loader.load()
    }

    /// The words of the error that loading throws.
    private func complaint(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String
    {
        try folder.write(text, to: "config.yaml")
        do {
            _ = try load()
        } catch {
            return "\(error)".replacing(folder.path.string, with: "")
        }
        Issue.record("no error", sourceLocation: sourceLocation)
        return ""
    }

    @Test("without files and environment everything is at its default")
    func defaults() throws {
        let loaded = try load()
        #expect(loaded.settings == Settings())
        #expect(loaded.origins.isEmpty && loaded.files.isEmpty && loaded.warnings.isEmpty)
        #expect(loaded.entries.allSatisfy { $0.origin == .builtIn })
    }

    @Test("flag wins over environment over config.d in the order of names over config.yaml over default")
    func precedence() throws {
        try folder.write(
            "root: /file\ninbox: { settle: 1s, rescan: 10s, onSuccess: remove }\n",
            to: "config.yaml"
        )
        try folder.write("root: /later\ninbox:\n  settle: 3s\n", to: "config.d/20.yaml")
        try folder.write("root: /earlier\ninbox:\n  settle: 2s\n", to: "config.d/10.yaml")
        try folder.write("root: /never\n", to: "config.d/.30.yaml")
        try folder.write("root: /never\n", to: "config.d/40.yaml.bak")
        let loaded = try load(
            ["SLIPWAY_INBOX_RESCAN": "20s", "SLIPWAY_ROOT": "/environment"],
            flags: ["root": ("/flag", "--root")]
        )
        #expect(loaded.settings.root == "/flag")
        #expect(loaded.settings.inbox.rescan == .seconds(20))
        #expect(loaded.settings.inbox.settle == .seconds(3))
        #expect(loaded.settings.inbox.onSuccess == .remove)
        #expect(loaded.settings.inbox.folderSettle == .seconds(10))
        let origins = loaded.origins.mapValues { $0.description.replacing(folder.path.string, with: "") }
        #expect(
            origins == [
                "root": "--root", "inbox.rescan": "SLIPWAY_INBOX_RESCAN",
                "inbox.settle": "/config.d/20.yaml:3:11",
                "inbox.onSuccess": "/config.yaml:2:46",
            ]
        )
        #expect(loaded.files.map(\.lastComponent) == ["config.yaml", "10.yaml", "20.yaml"])
    }

    @Test("a file that is named has to be there, one that is not need not")
    func namedFile() throws {
        let missing = folder.appending("other.yaml")
        #expect(throws: ConfigurationError("\(missing): there is no such file")) {
            try SettingsLoader(file: missing, environment: [:]).load()
        }
    }

    @Test("lists and values of every kind come through the environment")
    func environment() throws {
        let loaded = try load([
            "SLIPWAY_INBOX_ALLOW_REFERENCES": "[localhost/*, docker.io/*]",
            "SLIPWAY_VMS_DEFAULTS_DISK_SIZE": "5G",
            "SLIPWAY_VMS_RETIRED_TTL": "1h", "SLIPWAY_GC_HIGH_WATER": "90%",
            "SLIPWAY_STORE_GUEST_KERNEL": "6.10",
        ])
        #expect(loaded.settings.inbox.allowReferences == ["localhost/*", "docker.io/*"])
        #expect(loaded.settings.vms.defaults.request.diskSize == 5 << 30)
        #expect(loaded.settings.vms.retiredTTL == .seconds(3600))
        #expect(loaded.settings.gc.highWater == 90)
        #expect(loaded.settings.store.guestKernel == GuestKernel(6, 10))
    }

    @Test("an unknown variable near a known one is a warning")
    func misspeltVariable() throws {
        #expect(
            try load(["SLIPWAY_INBX_SETTLE": "1s", "SLIPWAY_TEST_TMP": "/x"]).warnings == [
                "the environment variable SLIPWAY_INBX_SETTLE names no setting; did you mean SLIPWAY_INBOX_SETTLE?"
            ]
        )
    }

    @Test("a mistake in the environment names the variable")
    func badVariable() throws {
        #expect(throws: ConfigurationError.self) { try load(["SLIPWAY_JOBS_CONVERSIONS": "0"]) }
        do {
            _ = try load(["SLIPWAY_JOBS_CONVERSIONS": "0"])
        } catch {
            #expect("\(error)".hasPrefix("environment variable SLIPWAY_JOBS_CONVERSIONS:1:1: "))
        }
    }

    @Test(
        "a mistake names file, line, column, key and what would be right",
        arguments: [
            ("inbox:\n  setle: 2s\n", "/config.yaml:2:3: inbox.setle: unknown key; did you mean 'settle'?"),
            ("inbx: {}\n", "/config.yaml:1:1: inbx: unknown key; did you mean 'inbox'?"),
            (
                "vms:\n  defaults:\n    disk: { sise: 1G }\n",
                "/config.yaml:3:13: vms.defaults.disk.sise: unknown key; did you mean 'size'?"
            ),
            (
                "inbox: { onSuccess: delete }\n",
                "/config.yaml:1:21: inbox.onSuccess: expected one of keep, remove, found the text 'delete'"
            ),
            (
                "inbox: { settle: 2 }\n",
                "/config.yaml:1:18: inbox.settle: expected a duration with its unit, such as 300ms, 90s or 24h, "
                    + "found the number 2"
            ),
            ("inbox: x\n", "/config.yaml:1:8: inbox: expected a mapping, found the text 'x'"),
            (
                "vms: { allowPaths: [a] }\n",
                "/config.yaml:1:21: vms.allowPaths[0]: expected an absolute path, found 'a'"
            ),
            (
                "gc: { highWater: 85 }\n",
                "/config.yaml:1:18: gc.highWater: expected a percentage from 1% to 100%, such as 85%"
            ),
            (
                "hypervisor: { version: 50 }\n",
                "/config.yaml:1:24: hypervisor.version: configs are written for Cloud Hypervisor 51.0 or later"
            ),
            (
                "boot: { profiles: { default: { kernel: /k } } }\n",
                "/config.yaml:1:30: boot.profiles.default: the key 'initramfs' is missing"
            ),
            ("inbox: { rescan: 0s }\n", "/config.yaml:1:18: inbox.rescan: at least 1s is needed"),
            ("root: var\n", "/config.yaml:1:7: root: expected an absolute path, found 'var'"),
            (
                "gc: { lowWater: 85% }\n",
                "/config.yaml:1:17: gc.lowWater: 85% must be below gc.highWater, 85%"
            ),
            (
                "inbox: { path: vms/inbox }\n",
                "/config.yaml:1:16: inbox.path, /var/lib/slipway/vms/inbox, and vms.path, /var/lib/slipway/vms, "
                    + "must not lie in each other"
            ),
            ("inbox: { path: / }\n", "/config.yaml:1:16: inbox.path: / holds the root /var/lib/slipway"),
            (
                "inbox: { path: ../slipway }\n",
                "/config.yaml:1:16: inbox.path: /var/lib/slipway holds the root /var/lib/slipway"
            ),
        ]
    )
    func mistakes(text: String, expected: String) throws { #expect(try complaint(text) == expected) }

    @Test("an empty section is an absent one")
    func emptySection() throws {
        try folder.write("inbox:\n  # settle: 3s\n", to: "config.yaml")
        #expect(try load().settings == Settings())
    }

    @Test("the annotated configuration that comes with the product sets every key, to its default")
    func annotatedDefault() throws {
        var root = FilePath(#filePath)
        for _ in 0..<3 { root.removeLastComponent() }
        let loaded = try SettingsLoader(
            file: root.appending("config").appending("config.yaml"),
            environment: [:]
        ).load()
        #expect(loaded.settings == Settings())
        #expect(Set(loaded.origins.keys) == Set(Settings.keys.map(\.key)))
        #expect(loaded.warnings.isEmpty)
    }

    @Test("what config show says reads back as the same settings")
    func showReadsBack() throws {
        var settings = Settings()
        settings.gc.maxBytes = 3 << 30
        settings.boot.profiles["default"] = .init(kernel: "/k", initramfs: "/i")
        settings.inbox.settle = .milliseconds(1500)
        var copy = Settings()
        for key in Settings.keys {
            let bytes = key.show(settings).serialized(pretty: false)
            try key.read(try Document.parse(bytes, file: key.key, format: .yaml), &copy)
        }
        #expect(copy == settings)
    }

    @Test("relative paths lie below the root")
    func paths() {
        var settings = Settings()
        settings.root = "/r"
        settings.inbox.path = "/srv/in"
        #expect(settings.paths.inbox == "/srv/in")
        #expect(settings.paths.requests == "/r/requests")
        #expect(settings.paths.store.root == "/r/store")
    }
}
