import Documents
import Testing

@Suite("A number of things")
struct CountTextTests {
    @Test("agrees with its noun")
    func agreement() {
        #expect(CountText.text(0, "image") == "no images")
        #expect(CountText.text(1, "image") == "1 image")
        #expect(CountText.text(2, "image") == "2 images")
        #expect(CountText.text(UInt64(1), "entry", "entries") == "1 entry")
        #expect(CountText.text(10_000, "entry", "entries") == "10000 entries")
    }
}
