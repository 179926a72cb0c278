import Testing

@testable import ImageBackend

@Suite("The note of what a layer leaves open")
struct OpenEndsTests {
    private func path(_ text: [UInt8]) throws -> EntryPath { try EntryPath(text) }

    @Test("says the same after writing and reading, whatever bytes the names have")
    func roundTrip() throws {
        var ends = OpenEnds()
        ends.folders = [OpenEnds.Folder(path: .root)]
        for byte in UInt8.min...UInt8.max where byte != 0 && byte != UInt8(ascii: "/") {
            let name = try path([byte, 0x25, byte, 0x78])
            let states: [OpenEnds.Folder.State] = [.open, .hiding, .whitedOut]
            ends.folders.append(OpenEnds.Folder(path: name, state: states[Int(byte % 3)]))
            ends.early.append(name)
            ends.whiteouts.append(name)
            ends.opaque.append(name.appending([byte, 0x79]))
            ends.links.append(OpenEnds.Link(path: name, target: .root, isResolved: byte % 3 == 0))
        }
        let note = ends.encoded
        #expect(note.allSatisfy { $0 == 10 || (0x20..<0x7F).contains($0) }, "the note is text")
        #expect(try OpenEnds(note: note, of: "blob") == ends)
        #expect(ends.count == 1 + 254 * 5)
    }

    @Test(
        "is refused when it is damaged, with the blob's name",
        arguments: [
            "", "slipway layer 2\n", "slipway layer 1\nimplied\n", "slipway layer 1\nimplied usr\n",
            "slipway layer 1\nimplied /a /b\n", "slipway layer 1\nlink /a\n",
            "slipway layer 1\nnonsense /a\n",
            "slipway layer 1\nimplied /a%2\n", "slipway layer 1\nimplied /a%GG\n",
            "slipway layer 1\nopaque /../x\n",
        ]
    )
    func damaged(note: String) {
        let error = #expect(throws: ImageError.self) { try OpenEnds(note: Array(note.utf8), of: "blob") }
        #expect(error?.message.contains("blob") == true)
    }
}
