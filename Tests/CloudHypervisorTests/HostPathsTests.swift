import CloudHypervisor
import Documents
import Testing

@Suite("Host paths in a VmConfig")
struct HostPathsTests {
    /// Every place of the OpenAPI description where a path, socket or device of the host stands.
    static let everywhere = """
        {"payload":{"firmware":"/1","kernel":"/2","initramfs":"/3","igvm":"/4","cmdline":"root=/dev/vda"},
         "memory":{"size":0,"zones":[{"id":"z","size":1,"file":"/5"}]},
         "disks":[{"path":"/6"},{"vhost_socket":"/7"}],"net":[{"vhost_socket":"/8","tap":"/tap"}],"rng":{"src":"/9"},
         "generic_vhost_user":[{"socket":"/10"}],"fs":[{"socket":"/11","tag":"/tag"}],"pmem":[{"file":"/12"}],
         "serial":{"mode":"File","file":"/13","socket":"/14"},"console":{"file":"/15","socket":"/16"},
         "debug_console":{"file":"/17"},"devices":[{"path":"/18"}],"user_devices":[{"socket":"/19"}],
         "vdpa":[{"path":"/20"}],"vsock":{"socket":"/21"},"tpm":{"socket":"/22"},
         "landlock_rules":[{"path":"/23"},{"path":"/24"}],"platform":{"oem_strings":["/oem"]}}
        """

    @Test("are found wherever one may stand, with their places")
    func all() throws {
        let found = Rules.hostPaths(in: try Examples.json(Self.everywhere))
        #expect(Set(found.map(\.value)) == Set((1...24).map { "/\($0)" }))
        #expect(found.count == 24)
        #expect(found.contains { $0 == ("disks[1].vhost_socket", "/7") })
        #expect(found.contains { $0 == ("memory.zones[0].file", "/5") })
        #expect(found.contains { $0 == ("landlock_rules[1].path", "/24") })
    }

    @Test("the rest of a config that is not well formed is still searched")
    func malformed() throws {
        let config = try Examples.json(
            #"{"disks":{"path":"/a"},"payload":{"kernel":["/b"]},"tpm":{"socket":"/c"},"x":"/d"}"#
        )
        #expect(Rules.hostPaths(in: config).map(\.value) == ["/c"])
        // What was passed over makes the config invalid.
        #expect(!Rules.check(config, version: .oldestSupported).isEmpty)
    }
}
