import Documents
import Testing

@Suite("The nearest word")
struct SimilarityTests {
    @Test("finds slips of the hand, whatever the case")
    func slips() {
        let words = ["memory", "cpus", "disk", "removeGrace"]
        #expect(Similarity.nearest(to: "memroy", among: words) == "memory")
        #expect(Similarity.nearest(to: "CPU", among: words) == "cpus")
        #expect(Similarity.nearest(to: "removegrace", among: words) == "removeGrace")
    }

    @Test("offers nothing when nothing is near")
    func strangers() {
        #expect(Similarity.nearest(to: "kernel", among: ["memory", "cpus"]) == nil)
        #expect(Similarity.nearest(to: "", among: ["a"]) == nil)
        #expect(Similarity.nearest(to: "x", among: []) == nil)
    }
}
