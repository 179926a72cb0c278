import OCI
import Testing

@Suite("Platforms")
struct PlatformTests {
    @Test(
        "are parsed and normalised as containerd does",
        arguments: [
            ("linux/amd64", "linux/amd64"), ("linux/x86_64", "linux/amd64"),
            ("Linux/X86-64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"), ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/8", "linux/arm64"), ("linux/arm64/v9.0", "linux/arm64/v9"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"), ("linux/armel", "linux/arm/v6"), ("linux/arm/5", "linux/arm/v5"),
            ("linux/i386", "linux/386"), ("macos/arm64", "darwin/arm64"), ("arm64", "linux/arm64"),
            ("x86_64", "linux/amd64"), ("linux/riscv64", "linux/riscv64"),
        ]
    )
    func parsed(text: String, expected: String) {
        #expect(Platform(text)?.description == expected)
    }

    @Test(
        "are refused when ill-formed",
        arguments: [
            "", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "lin ux/amd64", "windows", "linux//v8",
        ]
    )
    func refused(text: String) {
        #expect(Platform(text) == nil)
    }

    @Test(
        "run what containerd says they run",
        arguments: [
            ("linux/amd64", "linux/amd64", true), ("linux/amd64", "linux/386", true),
            ("linux/amd64", "linux/amd64/v2", false), ("linux/amd64/v3", "linux/amd64/v2", true),
            ("linux/amd64/v3", "linux/amd64", true), ("linux/amd64", "linux/arm64", false),
            ("linux/amd64", "windows/amd64", false), ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64", "linux/arm/v7", true), ("linux/arm64", "linux/arm64/v9", false),
            ("linux/arm64/v9", "linux/arm64", true), ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm/v7", "linux/arm/v5", true), ("linux/386", "linux/amd64", false),
            ("linux/riscv64", "linux/riscv64", true),
        ]
    )
    func matching(host: String, image: String, runs: Bool) throws {
        #expect(try #require(Platform(host)).matches(try #require(Platform(image))) == runs)
    }

    @Test("an arm64 entry that writes its variant suits as well as one that does not")
    func variantInDocument() {
        #expect(
            Platform(os: "linux", architecture: "arm64")
                .preference(for: Platform(os: "linux", architecture: "arm64", variant: "v8")) == 0
        )
    }

    @Test("the host is Linux and runs its own images")
    func host() {
        #expect(Platform.host.os == "linux")
        #expect(Platform.host.matches(.host))
    }
}
