import Yams

/// Turns what libYAML composed into a tree of nodes, refusing what the dialect leaves out.
struct YAMLReader {
    let file: String

    func read(_ text: String) throws(DocumentError) -> Node {
        let start = Mark(line: 1, column: 1)
        if let name = AliasLimit.excess(in: text) {
            throw DocumentError(
                file: file,
                message: "anchors and aliases (&\(name), *\(name)) are not supported; write the values out"
            )
        }
        let parser: Yams.Parser
        let root: Yams.Node?
        do {
            // The resolver without rules leaves scalars as text, so that keys compare as they are written.
            parser = try Yams.Parser(yaml: text, resolver: .basic, encoding: .utf8)
            root = try parser.singleRoot()
        } catch let error as YamlError {
            throw documentError(error)
        } catch {
            throw DocumentError(file: file, message: "cannot be parsed as YAML: \(error)")
        }
        // Nodes refer to their anchors weakly: only the parser keeps them.
        defer { withExtendedLifetime(parser) {} }
        guard let root else { return Node(.null, mark: start, path: "", file: file) }
        return try node(root, path: "", depth: 0)
    }

    private func node(_ yaml: Yams.Node, path: String, depth: Int) throws(DocumentError) -> Node {
        let mark = Mark(yaml.mark)
        func refuse(_ message: String) -> DocumentError {
            DocumentError(file: file, mark: mark, keyPath: path, message: message)
        }
        guard depth <= Document.maximumDepth else {
            throw refuse("nested deeper than \(Document.maximumDepth) levels")
        }
        guard yaml.anchor == nil else {
            throw refuse("anchors and aliases are not supported; write the value out")
        }
        switch yaml {
        case .scalar(let scalar):
            guard yaml.tag.description == Tag.Name.str.rawValue else {
                throw refuse("tags are not supported")
            }
            guard scalar.style == .plain else {
                return Node(.string(scalar.string), mark: mark, path: path, file: file)
            }
            return Node(
                PlainScalar.kind(of: scalar.string),
                plainText: scalar.string,
                mark: mark,
                path: path,
                file: file
            )
        case .sequence(let sequence):
            guard yaml.tag.description == Tag.Name.seq.rawValue else {
                throw refuse("tags are not supported")
            }
            var elements: [Node] = []
            for (index, element) in sequence.enumerated() {
                elements.append(try node(element, path: KeyPath.element(index, of: path), depth: depth + 1))
            }
            return Node(.array(elements), mark: mark, path: path, file: file)
        case .mapping(let mapping):
            guard yaml.tag.description == Tag.Name.map.rawValue else {
                throw refuse("tags are not supported")
            }
            var members: [Node.Member] = []
            for (key, value) in mapping {
                let keyMark = Mark(key.mark)
                guard case .scalar(let scalar) = key, key.anchor == nil,
                    key.tag.description == Tag.Name.str.rawValue
                else {
                    throw DocumentError(
                        file: file,
                        mark: keyMark,
                        keyPath: path,
                        message: "a key must be plain text"
                    )
                }
                let value = try node(value, path: KeyPath.member(scalar.string, of: path), depth: depth + 1)
                members.append(Node.Member(key: scalar.string, keyMark: keyMark, value: value))
            }
            return Node(.object(members), mark: mark, path: path, file: file)
        case .alias: throw refuse("anchors and aliases are not supported; write the value out")
        }
    }

    private func documentError(_ error: YamlError) -> DocumentError {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            if problem == "but found another document" {
                return DocumentError(
                    file: file,
                    mark: Mark(mark),
                    message: "only one YAML document may stand in a file"
                )
            }
            let circumstances = context.map { " (\($0.text), which starts at \($0.mark))" } ?? ""
            return DocumentError(file: file, mark: Mark(mark), message: problem + circumstances)
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0)'" }.joined(separator: ", ")
            return DocumentError(
                file: file,
                mark: Mark(context.mark),
                message: "the key \(names) occurs more than once, first here"
            )
        case .reader(let problem, _, _, _): return DocumentError(file: file, message: problem)
        default: return DocumentError(file: file, message: "cannot be parsed as YAML: \(error)")
        }
    }
}

extension Mark {
    fileprivate init(_ mark: Yams.Mark?) { self.init(line: mark?.line ?? 1, column: mark?.column ?? 1) }
}

/// What an unquoted YAML scalar means: YAML 1.2's core schema (10.3) less its surprises. `yes` is no boolean, and
/// what has a leading zero, an octal or hexadecimal prefix or a special value such as `.inf` is text.
enum PlainScalar {
    static func kind(of text: String) -> Node.Kind {
        switch text {
        case "", "~", "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        default: return JSONNumber.parse(Array(text.utf8)) ?? .string(text)
        }
    }
}
