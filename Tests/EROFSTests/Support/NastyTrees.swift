import EROFS
import TestSupport

/// Trees that look for the edges of the format.
enum NastyTrees {
    static func everything() -> Model {
        var model = Model()
        model.root = Attributes(
            permissions: 0o1751,
            userID: 7,
            groupID: 70_000,
            modified: Timestamp(seconds: -1, nanoseconds: 999_999_999),
            xattrs: [ExtendedAttribute("trusted.overlay.opaque", [121])]
        )
        addKinds(&model)
        addSizes(&model)
        addNames(&model)
        addXattrs(&model)
        addLinks(&model)
        addDepth(&model)
        addReplaced(&model)
        return model
    }

    private static func addKinds(_ model: inout Model) {
        let first = Attributes(permissions: 0o644, modified: Timestamp(seconds: 1_000_000_000))
        model.add("compact", .file([.bytes([1, 2, 3])]), first)
        model.add(
            "large-id",
            .file([.bytes([1])]),
            Attributes(permissions: 0o6755, userID: 65_536, groupID: .max - 1, modified: first.modified)
        )
        model.add(
            "old",
            .file([]),
            Attributes(permissions: 0, modified: Timestamp(seconds: -2_208_988_800, nanoseconds: 1))
        )
        model.add(
            "late",
            .fifo,
            Attributes(permissions: 0o600, modified: Timestamp(seconds: 1 << 34, nanoseconds: 999_999_999))
        )
        model.add("socket", .socket)
        model.add("null", .device(.characterDevice, 1, 3))
        model.add("whiteout", .device(.characterDevice, 0, 0))
        model.add("disk", .device(.blockDevice, 4095, 1_048_575))
        for length in [1, 59, 4031, 4032, 4033, 4094, 4095] {
            model.add(
                "symlink-\(length)",
                .symbolicLink([UInt8](repeating: 97, count: length)),
                Attributes(permissions: 0o777)
            )
        }
    }

    private static func addSizes(_ model: inout Model) {
        var generator = SeededRandom(42)
        model.add("sizes", .directory)
        let edges =
            [
                1, 4031, 4032, 4033, 4064, 4095, 4096, 4097, 8128, 8191, 8192, 8193, 12_289, 65_535, 65_536,
                65_537,
            ]
            + [-4097, -1, 0, 1, 4095, 4096].map { (1 << 20) + $0 } + [
                (2 << 20) + 5, (3 << 20) - 1, (5 << 20) / 2,
            ]
        for size in edges {
            model.add("sizes/noise-\(size)", .file([.bytes(generator.noise(size))]))
            model.add("sizes/prose-\(size)", .file([.bytes(generator.prose(size))]))
            model.add("sizes/zeros-\(size)", .file([.bytes([UInt8](repeating: 0, count: size))]))
        }
        let mixed =
            generator.noise(1 << 20) + generator.prose(1_500_000) + generator.noise(300_001)
            + generator.prose(50_000)
        model.add("sizes/mixed", .file([.bytes(mixed)]))
    }

    private static func addNames(_ model: inout Model) {
        model.add("names", .directory)
        for byte in UInt8.min...UInt8.max where ![0, UInt8(ascii: "/"), UInt8(ascii: ".")].contains(byte) {
            model.add([Array("names".utf8), [byte]], .file([.bytes([byte])]))
        }
        for length in [254, 255] {
            model.add("names/" + String(repeating: "n", count: length), text: "long")
        }
        for name in ["...", "..a", ".-", ".a", "!", "-"] where name.count > 1 {
            model.add("names/" + name, text: name)
        }
    }

    private static func addXattrs(_ model: inout Model) {
        let label = ExtendedAttribute("security.selinux", Array("system_u:object_r:bin_t:s0".utf8))
        model.add("xattrs", .directory, Attributes(permissions: 0o755, modified: Model.time, xattrs: [label]))
        for index in 0..<20 {
            let xattrs = [
                label, ExtendedAttribute("user.number", [UInt8(index)]), ExtendedAttribute("trusted.x", []),
            ]
            model.add(
                "xattrs/file-\(index)",
                .file([.bytes([1, 2])]),
                Attributes(permissions: 0o644, xattrs: xattrs)
            )
        }
        let large = (0..<3).map {
            ExtendedAttribute("user.large\($0)", [UInt8](repeating: UInt8($0), count: 65_535))
        }
        for name in ["large", "large-again"] {
            model.add("xattrs/\(name)", .file([.bytes([7])]), Attributes(permissions: 0o644, xattrs: large))
            model.add("xattrs/\(name)-dir", .directory, Attributes(permissions: 0o755, xattrs: large))
        }
        let twice = [ExtendedAttribute("user.a", [1]), ExtendedAttribute("user.a", [2])]
        model.add("xattrs/twice", .file([]), Attributes(permissions: 0o644, xattrs: twice))
        for size in [3900, 4000, 4017, 4018, 4032] {
            let xattrs = [ExtendedAttribute("user.v", [UInt8](repeating: 5, count: size))]
            model.add(
                "xattrs/fit-\(size)",
                .file([.bytes([1, 2, 3, 4])]),
                Attributes(permissions: 0o644, xattrs: xattrs)
            )
        }
    }

    private static func addLinks(_ model: inout Model) {
        model.add("links", .directory)
        for (name, target) in [
            ("file", "compact"), ("symlink", "symlink-59"), ("device", "null"), ("data", "sizes/prose-65537"),
        ] {
            for index in 0..<3 {
                model.add("links/\(name)\(index)", .link(target.split(separator: "/").map { Array($0.utf8) }))
            }
        }
    }

    private static func addDepth(_ model: inout Model) {
        var path: [[UInt8]] = []
        for level in 0..<300 {
            path.append(Array("d\(level % 10)".utf8))
            model.add(
                path,
                .directory,
                Attributes(permissions: 0o755, modified: Timestamp(seconds: Int64(level)))
            )
        }
        model.add(path + [Array("bottom".utf8)], .file([.bytes([9])]))
    }

    private static func addReplaced(_ model: inout Model) {
        model.add("replaced", .directory)
        model.add("replaced/file", text: "first")
        model.add("replaced/other", .link([Array("replaced".utf8), Array("file".utf8)]))
        model.add("replaced/file", text: "second")
        model.add("replaced/dir", .directory)
        model.add("replaced/dir/sub", .directory)
        model.add("replaced/dir/sub/file", text: "gone")
        model.add("replaced/dir", text: "a file now")
        model.add("replaced/dir", .directory)
        model.add("replaced/dir/sub", text: "back")
    }

    static func folder(of count: Int) -> Model {
        var model = Model()
        model.add("folder", .directory)
        for index in 0..<count { model.add("folder/\(index)", .file([])) }
        return model
    }

    static func random(seed: UInt64) -> Model {
        var generator = SeededRandom(seed)
        var model = Model()
        var folders: [[[UInt8]]] = [[]]
        var files: [[[UInt8]]] = []
        for number in 0..<200 {
            let folder = folders.randomElement(using: &generator) ?? []
            let name =
                Array("\(number)-".utf8)
                + [UInt8](repeating: 120, count: Int.random(in: 0...200, using: &generator))
            let path = folder + [name]
            let attributes = Attributes(
                permissions: UInt16.random(in: 0...0o7777, using: &generator),
                userID: Bool.random(using: &generator) ? 0 : UInt32.random(in: 0 ..< .max, using: &generator),
                groupID: 0,
                modified: Timestamp(
                    seconds: Int64.random(in: -1_000_000_000...4_000_000_000, using: &generator),
                    nanoseconds: UInt32.random(in: 0...999_999_999, using: &generator)
                ),
                xattrs: (0..<Int.random(in: 0...3, using: &generator)).map {
                    ExtendedAttribute(
                        "user.x\($0)",
                        generator.noise(Int.random(in: 0...300, using: &generator) / 100)
                    )
                }
            )
            switch Int.random(in: 0..<10, using: &generator) {
            case 0, 1:
                model.add(path, .directory, attributes)
                folders.append(path)
            case 2:
                // Linux gives user attributes to files and folders only.
                var attributes = attributes
                attributes.xattrs = [ExtendedAttribute("trusted.x", [1])]
                model.add(path, .symbolicLink(name), attributes)
            case 3 where !files.isEmpty: model.add(path, .link(files.randomElement(using: &generator) ?? []))
            default:
                let size = 1 << Int.random(in: 0...21, using: &generator)
                let count = Int.random(in: 0...size, using: &generator)
                let bytes = Bool.random(using: &generator) ? generator.prose(count) : generator.noise(count)
                model.add(path, .file([.bytes(bytes)]), attributes)
                files.append(path)
            }
        }
        return model
    }
}
