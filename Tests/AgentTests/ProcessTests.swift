import Glibc
import Host
import Logging
import SystemPackage
import TestSupport
import Testing

@testable import Agent

@Suite("The agent as a process")
struct ProcessTests {
    let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory("agent") }

    @Test("one agent holds the lock on a root; it is free again when that is gone")
    func lock() throws {
        let path = folder.appending("root").appending("agent.lock")
        #expect(try !AgentLock.isHeld(path))
        do {
            let lock = try AgentLock(path)
            #expect(try AgentLock.isHeld(path))
            #expect(throws: AgentLock.Held.self) { try AgentLock(path) }
            withExtendedLifetime(lock) {}
        }
        #expect(try !AgentLock.isHeld(path))
        _ = try AgentLock(path)
    }

    @Test("the lock is not taken through a symbolic link")
    func lockIsNoLink() throws {
        let target = try folder.write("", to: "elsewhere")
        let path = folder.appending("agent.lock")
        #expect(symlink(target.string, path.string) == 0)
        #expect(throws: FileError.self) { try AgentLock(path) }
    }

    @Test("states go to the service manager in one datagram, a line each")
    func notifications() throws {
        let path = folder.appending("notify").string
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": path])
        manager.report(.ready, .status("two\nlines"), logger: Logger(label: "test"))
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "READY=1\nSTATUS=two lines")
    }

    @Test("the watchdog is heard twice in its time, if it waits for this process")
    func watchdog() {
        #expect(ServiceManager(environment: ["WATCHDOG_USEC": "2000000"]).watchdogInterval == .seconds(1))
        #expect(
            ServiceManager(environment: ["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "\(getpid())"])
                .watchdogInterval == .seconds(1)
        )
        #expect(
            ServiceManager(environment: ["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"]).watchdogInterval
                == nil
        )
        #expect(ServiceManager(environment: ["WATCHDOG_USEC": "0"]).watchdogInterval == nil)
        #expect(ServiceManager(environment: [:]).watchdogInterval == nil)
    }

    @Test("the doctor names what is wrong and what to do")
    func doctor() async throws {
        var settings = Settings()
        settings.root = folder.path
        settings.store.reserve = 1 << 60
        settings.boot.profiles["old"] = .init(kernel: folder.appending("none"), initramfs: "/i")
        let inbox = folder.appending("inbox")
        try Directory.create(inbox)
        #expect(chmod(inbox.string, 0o777) == 0)
        settings.store.check = .fsck
        let programs = "#!/bin/sh\necho fsck.erofs 1.4\n"
        let fsck = try folder.write(programs, to: "fsck.erofs")
        #expect(chmod(fsck.string, 0o755) == 0)
        let findings = await Doctor(settings, environment: ["PATH": folder.path.string]).examine()
        func finding(_ subject: String) -> Examination? { findings.first { $0.subject == subject } }
        #expect(finding("space")?.verdict == .bad)
        #expect(finding("fsck.erofs")?.verdict == .bad)
        #expect(finding("fsck.erofs")?.message.hasPrefix("\(fsck) is version 1.4, which cannot look") == true)
        #expect(finding("fsck.erofs")?.message.hasSuffix("(store.check asks for it)") == true)
        #expect(finding("inbox")?.message == "\(inbox) is writable by everyone: chmod o-w \(inbox)")
        #expect(finding("boot profile old")?.verdict == .bad)
        #expect(finding("boot profile old")?.message.contains("the kernel: ") == true)
        #expect(finding("requests")?.verdict == .good)
        #expect(try FileStatus.of(folder.appending("requests")) == nil)
    }
}
