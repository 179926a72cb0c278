import Archives
import Documents

extension RegistryError {
    /// What a response that is not the one hoped for means.
    ///
    /// - Parameters:
    ///   - host: who answered.
    ///   - subject: what was asked for.
    init(_ response: HTTPResponse, host: String, subject: String, retryAfter: Duration? = nil) {
        let status = response.status
        let said = Self.words(of: response).map { ": \($0)" } ?? ""
        func say(_ text: String) -> String { "\(subject): \(host) \(text) (\(status)\(said))" }
        switch status {
        case 401: self.init(.unauthorized, say("refuses it without other credentials"))
        case 403:
            self.init(.forbidden, say("does not allow it; ask for the right to pull it, or check its name"))
        case 404, 410: self.init(.notFound, say("does not have it; check its name and tag"))
        case 429:
            self.init(.rateLimited, say("had too many requests"), isTransient: true, retryAfter: retryAfter)
        case 408, 425, 500...599:
            self.init(.unavailable, say("has trouble"), isTransient: true, retryAfter: retryAfter)
        default: self.init(.unavailable, say("gave an answer that makes no sense here"))
        }
    }

    /// What the registry says of an error (distribution-spec, "Error Codes"); nil when it says nothing in that form.
    private static func words(of response: HTTPResponse) -> String? {
        guard !response.body.isEmpty,
            let first = try? Document.parse(response.body, file: "", format: .json).jsonValue["errors"]?[0]
        else { return nil }
        let words = [first["code"]?.string, first["message"]?.string].compactMap { $0 }
        return words.isEmpty ? nil : printable(words.joined(separator: " ").utf8, limit: 200)
    }

    /// What a failed exchange means.
    init(_ failure: TransferFailure, host: String, subject: String) {
        let detail = printable(failure.detail.utf8, limit: 200)
        func fail(_ code: Code, _ text: String, isTransient: Bool = true) -> RegistryError {
            RegistryError(code, "\(subject): \(text) (\(detail))", isTransient: isTransient)
        }
        self =
            switch failure.kind {
            case .resolve: fail(.unreachable, "the name of \(host) cannot be resolved")
            case .connect: fail(.unreachable, "\(host) cannot be reached")
            case .noRoute: fail(.offline, "this machine has no network that leads to \(host)")
            case .tls:
                fail(
                    .tls,
                    "no trusted connection to \(host); a private CA is named by ca_file in registries.yaml",
                    isTransient: false
                )
            case .tlsFile:
                fail(
                    .configuration,
                    "a certificate or key that registries.yaml names for \(host) cannot be used",
                    isTransient: false
                )
            case .stalled: fail(.stalled, "nothing came from \(host) for too long")
            case .broken: fail(.unreachable, "the connection to \(host) broke")
            case .tooLong: fail(.limitExceeded, "the answer of \(host) is too long", isTransient: false)
            case .refused: fail(.unavailable, "the answer of \(host) was refused")
            case .cancelled: RegistryError(.cancelled, "\(subject): stopped", isTransient: true)
            }
        neverConnected = failure.isConnectFailure
    }
}
