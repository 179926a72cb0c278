import Testing

@testable import ImageBackend

@Suite("A name that starts with .wh.")
struct WhiteoutTests {
    private func whiteout(_ name: String) -> Whiteout? { Whiteout(Array(name.utf8)[...]) }

    @Test("hides the name behind it")
    func name() {
        #expect(whiteout(".wh.passwd") == .name(Array("passwd".utf8)[...]))
        #expect(whiteout(".wh..hidden") == .name(Array(".hidden".utf8)[...]))
    }

    @Test("is the opaque marker, or aufs' bookkeeping")
    func special() {
        #expect(whiteout(".wh..wh..opq") == .opaque)
        #expect(whiteout(".wh..wh.plnk") == .bookkeeping)
        #expect(whiteout(".wh..wh.orph") == .bookkeeping)
    }

    @Test("hides nothing when nothing, . or .. follows", arguments: [".wh.", ".wh..", ".wh..."])
    func invalid(name: String) {
        #expect(whiteout(name) == .invalid)
    }

    @Test("is not any other name", arguments: ["wh.x", ".whx", "x.wh.", ".WH.x"])
    func ordinary(name: String) {
        #expect(whiteout(name) == nil)
    }
}
