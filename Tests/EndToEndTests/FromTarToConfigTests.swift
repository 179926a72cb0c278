import Foundation
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("From dropped tars to a config, and back to nothing")
struct FromTarToConfigTests {
    /// A layer with a bit of everything, and one over it that deletes, replaces and empties.
    private var layers: [[UInt8]] {
        var base = TarBuilder()
        base.addDirectory("./")
        base.addDirectory("etc")
        base.addFile("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        base.addFile("etc/shadow", "root:*::\n", mode: 0o640)
        base.addDirectory("tmp", mode: 0o1777)
        base.addDirectory("usr")
        base.addDirectory("usr/share")
        base.addDirectory("usr/share/doc")
        base.addFile("usr/share/doc/copyright", "text")
        base.addDirectory("boot")
        base.addBootFiles(version: "6.1.0-9-amd64")
        var top = TarBuilder()
        top.addDirectory("etc")
        top.addFile("etc/.wh.shadow", "")
        top.addFile("etc/motd", "hello")
        top.addDirectory("usr")
        top.addDirectory("usr/share")
        top.addDirectory("usr/share/doc")
        top.addFile("usr/share/doc/.wh..wh..opq", "")
        top.addFile("usr/share/doc/README", "new")
        return [base.finish(), top.finish()]
    }

    private func dropImage(_ layers: [[UInt8]], into installation: Installation) throws {
        for (position, layer) in layers.enumerated() {
            try installation.folder.write(layer, to: "web.image/\(position)0-layer.tar")
        }
        try Directory.rename(
            installation.folder.appending("web.image"),
            to: installation.root.appending("inbox/web.image")
        )
    }

    private let request = Array(
        #"{ "image": "localhost/web", "cpus": 2, "memory": "512MiB", "disk": { "size": "64MiB" } }"#.utf8
    )

    @Test("one round imports, renders, and leaves the rest alone; the next changes nothing")
    func once() async throws {
        let installation = try Installation()
        try dropImage(layers, into: installation)
        try installation.drop(request, into: "requests/web-1.json")
        let first = try await installation.slipway("agent", "--once")
        #expect(first.status == 0, "\(first.errors)")
        let config = try #require(try installation.config(of: "web-1"))
        let disks = try #require(config["disks"] as? [[String: Any]])
        #expect(disks.compactMap { $0["serial"] as? String }.sorted() == ["cow", "layer0", "layer1"])
        #expect(disks.allSatisfy { $0["image_type"] as? String == "Raw" })
        let payload = try #require(config["payload"] as? [String: Any])
        #expect((payload["kernel"] as? String)?.hasSuffix("/vmlinuz-6.1.0-9-amd64") == true)
        #expect(
            (payload["cmdline"] as? String)?.contains("cocoon.layers=layer1,layer0 cocoon.cow=cow") == true
        )
        #expect(try installation.document("vms/web-1/status.json")?["phase"] as? String == "ready")
        #expect(try installation.document("receipts/inbox/web.image.json")?["state"] as? String == "done")
        let vm = installation.root.appending("vms/web-1")
        let before = (try TreeListing(vm), try await installation.files(below: "vms"))
        let second = try await installation.slipway("agent", "--once")
        #expect(second.status == 0, "\(second.errors)")
        #expect(try TreeListing(vm).differences(from: before.0) == [])
        #expect(try await installation.files(below: "vms") == before.1)
    }

    @Test("the layers as the guest will overlay them are what umoci unpacks")
    func overlay() async throws {
        // The fsck.erofs of Debian 12 knows nothing newer.
        let installation = try Installation(settings: "store: { guestKernel: \"5.15\" }\n")
        try dropImage(layers, into: installation)
        try installation.drop(request, into: "requests/web-1.json")
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        let disks = try #require(
            try installation.config(of: "web-1")?["disks"] as? [[String: Any]]
        )
        let paths = disks.filter { $0["readonly"] as? Bool == true }
            .sorted { ($0["serial"] as? String ?? "") > ($1["serial"] as? String ?? "") }
            .compactMap { $0["path"] as? String }
        var mounts: [KernelMount] = []
        for path in paths {
            try await check("fsck.erofs", [path])
            mounts.append(try await KernelMount.erofs(FilePath(path)))
        }
        let overlay = try KernelMount.overlay(lower: mounts.map(\.path))
        let image = try await UmociImage(layers)
        let seen = try TreeListing(overlay.path, without: .folderTimes)
        #expect(
            seen.differences(from: try TreeListing(try await image.unpacked(), without: .folderTimes)) == []
        )
        _ = mounts
    }

    @Test("a running agent takes what is dropped, and gives up what is taken away, and nothing else")
    func live() async throws {
        let installation = try Installation(
            settings: """
                inbox: { settle: 300ms, folderSettle: 300ms }
                vms: { onRemove: delete, removeGrace: 0s }
                gc: { unpinnedTTL: 0s }
                """
        )
        let other = [layers[0]]
        try await installation.withAgent { [self] in
            try installation.drop(other[0], into: "inbox/other.tar")
            try installation.drop(request, into: "requests/web-1.json")
            try await eventually("the VM to wait for its image") {
                try installation.document("vms/web-1/status.json")?["phase"] as? String == "waiting"
            }
            try dropImage(layers, into: installation)
            try await eventually("the config") { try installation.config(of: "web-1") != nil }
            try await eventually("the other image") {
                try installation.document("receipts/inbox/other.tar.json")?["state"] as? String == "done"
            }
            #expect(
                try await installation.files(below: "store/blobs").filter { $0.hasSuffix(".erofs") }.count
                    == 2
            )
            try Directory.removeTree(installation.root.appending("inbox/web.image"))
            try Directory.unlink(installation.root.appending("requests/web-1.json"))
            try await eventually("the VM and its image to go") {
                let blobs = try await installation.files(below: "store/blobs").filter {
                    $0.hasSuffix(".erofs")
                }
                return try FileStatus.of(installation.root.appending("vms/web-1")) == nil && blobs.count == 1
            }
            let left = try await installation.json("image", "inspect", "localhost/other")
            #expect((left["layers"] as? [Any])?.count == 1)
        }
        #expect(try await installation.files(below: "store/images").count == 1)
        #expect(try await installation.files(below: "store/trash").isEmpty)
    }
}
