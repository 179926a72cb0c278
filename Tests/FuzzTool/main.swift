import CLibFuzzer
import Glibc
import SystemPackage

// FuzzTool TARGET seeds FOLDER        write the inputs to begin with
// FuzzTool TARGET run FILE…           run each input once, as after a finding
// FuzzTool TARGET fuzz ARGUMENT…      run libFuzzer with its arguments; only where contrib/fuzz built it
let arguments = CommandLine.arguments
guard arguments.count >= 4, let target = Target.all.first(where: { $0.name == arguments[1] }) else {
    let names = Target.all.map { $0.name }.joined(separator: "|")
    print("usage: FuzzTool \(names) seeds FOLDER | run FILE… | fuzz ARGUMENT…")
    exit(64)
}
switch arguments[2] {
case "seeds": try target.writeSeeds(to: FilePath(arguments[3]))
case "run":
    for path in arguments[3...] { try target.run(file: FilePath(path)) }
case "fuzz":
    guard libfuzzer_is_there() else {
        print("FuzzTool was built without libFuzzer: use contrib/fuzz")
        exit(69)
    }
    exit(target.fuzz(Array(arguments[3...])))
default: exit(64)
}
