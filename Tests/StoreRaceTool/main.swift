import Foundation
import Store
import SystemPackage

// StoreRaceTool ROOT open             open the store and leave
// StoreRaceTool ROOT story            one fixed story, a line of output for each step that is done for good
// StoreRaceTool ROOT random MS SEED   anything at all for a while
let arguments = CommandLine.arguments
guard arguments.count >= 3 else {
    print("usage: StoreRaceTool ROOT open | story | random MILLISECONDS SEED")
    exit(64)
}
let store = try Store(layout: StoreLayout(root: FilePath(arguments[1])))
switch arguments[2] {
case "open": break
case "story": try await Story(store: store).run()
case "random" where arguments.count == 5:
    guard let milliseconds = Int(arguments[3]), let seed = UInt64(arguments[4]) else { exit(64) }
    var walk = RandomWalk(store: store, seed: seed)
    try await walk.run(for: .milliseconds(milliseconds))
default: exit(64)
}
