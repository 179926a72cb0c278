import Store

/// Which request file stands for which VM.
///
/// A VM that is bound belongs to the file it was bound by as long as that file is there, readable or not, unless it
/// names another VM. Otherwise a name belongs to the one file that names it; of several, none gets it.
struct Claims {
    enum Owner: Equatable {
        case file(RequestFile)
        /// Several files, by name.
        case conflict([String])
    }

    /// The owner of every VM's name that some file stands for.
    private(set) var owners: [String: Owner] = [:]
    /// Files that no VM stands for.
    private(set) var problems: [VMPlan.FileProblem] = []

    init(files: [RequestFile], bindings: [VMRecord]) {
        let byFile = Dictionary(files.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let candidates = Dictionary(grouping: files.filter { $0.request != nil }) { $0.request?.name ?? "" }
        var used: Set<String> = []

        for binding in bindings {
            guard let file = byFile[binding.request], file.request.map({ $0.name == binding.name }) ?? true
            else {
                continue
            }
            owners[binding.name] = .file(file)
            used.insert(file.name)
            for other in candidates[binding.name] ?? [] where other.name != file.name {
                used.insert(other.name)
                problems.append(
                    VMPlan.FileProblem(
                        file: other.name,
                        reason: .nameTaken,
                        message: "\(other.name): the VM \(binding.name) belongs to \(file.name) already; "
                            + "give this request another 'name', or remove one of the two"
                    )
                )
            }
        }
        for (name, files) in candidates where owners[name] == nil {
            used.formUnion(files.map(\.name))
            owners[name] = files.count == 1 ? .file(files[0]) : .conflict(files.map(\.name).sorted())
        }
        addNameless(files.filter { !used.contains($0.name) })
        problems.sort { $0.file < $1.file }
    }

    /// Files that tell no name: their own name says which VM they are about, if no other file is.
    private mutating func addNameless(_ files: [RequestFile]) {
        let byStem = Dictionary(grouping: files, by: \.stem)
        for file in files {
            if VMName.isValid(file.stem), owners[file.stem] == nil, byStem[file.stem]?.count == 1 {
                owners[file.stem] = .file(file)
            } else if case .problem(let problem) = file.content {
                problems.append(
                    VMPlan.FileProblem(file: file.name, reason: problem.reason, message: problem.message)
                )
            }
        }
    }
}
