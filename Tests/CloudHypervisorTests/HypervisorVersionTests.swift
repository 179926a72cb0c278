import CloudHypervisor
import Testing

@Suite("Releases of Cloud Hypervisor")
struct HypervisorVersionTests {
    @Test(
        "are parsed with or without the v and the minor number",
        arguments: [("51", 51, 0), ("v53.0", 53, 0), ("50.1", 50, 1), ("v51", 51, 0)]
    )
    func parsed(text: String, major: Int, minor: Int) {
        #expect(HypervisorVersion(text) == HypervisorVersion(major, minor))
    }

    @Test(
        "are refused when ill-formed",
        arguments: ["", "v", "vv51", "51.", ".1", "51.0.1", "51-dirty", "-51", "５１"]
    )
    func refused(text: String) {
        #expect(HypervisorVersion(text) == nil)
    }

    @Test("are ordered by their numbers")
    func order() throws {
        #expect(HypervisorVersion(50, 2) < HypervisorVersion.oldestSupported)
        #expect(HypervisorVersion(51, 9) < HypervisorVersion(51, 10))
        #expect(HypervisorVersion(100) > HypervisorVersion(53))
        #expect(HypervisorVersion(HypervisorVersion(51, 2).description) == HypervisorVersion(51, 2))
    }
}
