import OCI
import Testing

@testable import Store

@Suite("A layer's key")
struct LayerKeyTests {
    private let low = Digest(bytes: [UInt8](repeating: 0x0A, count: 32))
    private let high = Digest(bytes: [UInt8](repeating: 0xB0, count: 32))

    @Test("comes back from its written form")
    func written() {
        for key in [LayerKey(diffID: low), LayerKey(diffID: low, inheritance: high)] {
            #expect(LayerKey(key.description) == key)
        }
        #expect(LayerKey(diffID: low, inheritance: high).description == "\(low.hex)-\(high.hex)")
    }

    @Test("is nothing but one or two digests with a hyphen between")
    func malformed() {
        let (low, high) = (low.hex, high.hex)
        for text in [
            "", "-", low + "-", "-" + low, low + high, low + "_" + high, low + "-" + high + "-",
            low + "-" + high + "0", String(low.dropLast()) + "-" + high, String(low.dropLast()) + "é",
            String(low.dropLast(2)) + "é",
        ] {
            #expect(LayerKey(text) == nil, "\(text)")
        }
    }

    @Test("sorts as its written form does")
    func order() {
        let keys = [low, high].flatMap { diffID in
            [nil, low, high].map { LayerKey(diffID: diffID, inheritance: $0) }
        }
        #expect(keys.reversed().sorted().map(\.description) == keys.map(\.description).sorted())
        for key in keys { #expect(!(key < key)) }
    }
}
