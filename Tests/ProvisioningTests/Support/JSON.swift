import Documents
import SystemPackage

@testable import Provisioning

/// Parses JSON that a test wrote.
func json(_ text: String) throws -> JSONValue {
    try Document.parse(Array(text.utf8), file: "test.json", format: .json).jsonValue
}

/// Reads a request from the text of a file.
func request(_ text: String, file: String = "web.yaml") throws -> VMRequest {
    let parsed = RequestFile.parse(Array(text.utf8), path: FilePath("requests").appending(file), name: file)
    switch parsed.content {
    case .request(let request): return request
    case .problem(let problem): throw problem
    case .settling: throw RequestFile.Problem(reason: .requestSettling, message: "not read")
    }
}

/// The words in which a request is refused; nil when it is not.
func refusal(_ text: String, file: String = "web.yaml") -> String? {
    do {
        _ = try request(text, file: file)
        return nil
    } catch let problem as RequestFile.Problem { return problem.message } catch { return "\(error)" }
}
