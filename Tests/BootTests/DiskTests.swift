import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("A guest's disks", .serialized)
struct DiskTests {
    @Test("with all layers merged to one disk")
    func merged() async throws {
        let image = try await UmociImage(try GuestTree.stack(), config: ["--config.cmd=list-tree"])
        let machine = try await Machine.asked(for: image, request: #", "layers": "merged""#)
        let disks = try machine.installation.config(of: "app")?["disks"] as? [[String: Any]]
        #expect(disks?.compactMap { $0["serial"] as? String }.sorted() == ["cow", "merged", "slipway"])
        let console = try await machine.boot()
        #expect(try await GuestTree.differences(of: console, from: image.unpacked()) == [])
    }

    @Test("with data disks where the request says, which keep their data and grow with the request")
    func dataDisks() async throws {
        let script = """
            echo boot >> /var/lib/pg/boots; echo "boots $(wc -l < /var/lib/pg/boots)"
            busybox df -k / /var/lib/pg | busybox awk 'NR > 1 { print "size", $NF, ($2 > 90000) }'
            """
        var tar = try GuestTree.base()
        // The way there leads over links of the image, which begin at its root.
        tar.addSymbolicLink("var", to: "/usr/share")
        let image = try await UmociImage(
            [tar.finish()],
            config: ["--config.cmd=sh", "--config.cmd=-c", "--config.cmd=\(script)"]
        )
        func members(_ size: String) -> String {
            #", "dataDisks": [{ "name": "pgdata", "size": "\#(size)", "mount": "/var/lib/pg" }]"#
        }
        let machine = try await Machine.asked(for: image, request: members("64MiB"))
        let first = try await machine.boot()
        #expect(first.contains("boots 1\nsize / 0\nsize /usr/share/lib/pg 0\n"), "\(first)")
        try await machine.ask(request: members("128MiB"), disk: "128MiB")
        let second = try await machine.boot()
        #expect(second.contains("boots 2\nsize / 1\nsize /usr/share/lib/pg 1\n"), "\(second)")
    }
}
