import CCurl
import Glibc

/// Why an exchange came to no complete response.
struct TransferFailure: Error, Sendable {
    enum Kind: Sendable {
        /// The host's name leads nowhere.
        case resolve
        /// Nobody listens, or nobody answers in time.
        case connect
        /// The kernel knows no way there.
        case noRoute
        /// TLS: a certificate that is not trusted, or no common ground.
        case tls
        /// A certificate, key or CA file of ours that cannot be used.
        case tlsFile
        /// Nothing came for too long.
        case stalled
        /// The connection broke, or the server spoke nonsense.
        case broken
        /// The body is longer than allowed.
        case tooLong
        /// The sink wanted no more.
        case refused
        /// Asked to stop.
        case cancelled
    }

    var kind: Kind
    /// In libcurl's words; holds no URL.
    var detail: String

    /// Whether no connection came about at all.
    var isConnectFailure: Bool { [.resolve, .connect, .noRoute].contains(kind) }
}

extension TransferFailure {
    /// What a code of libcurl means (libcurl-errors(3)).
    ///
    /// - Parameters:
    ///   - wasConnected: whether the connection stood when it happened.
    ///   - systemError: the errno of a connection that did not come about.
    init(_ code: CURLcode, detail: String, wasConnected: Bool, systemError: Int32) {
        let kind: Kind =
            switch code {
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .resolve
            case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED:
                systemError == ENETUNREACH || systemError == EHOSTUNREACH ? .noRoute : .connect
            case CURLE_OPERATION_TIMEDOUT: wasConnected ? .stalled : .connect
            case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER,
                CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED:
                .tls
            case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE,
                CURLE_SSL_ENGINE_NOTFOUND:
                .tlsFile
            case CURLE_WRITE_ERROR: .refused
            default: .broken
            }
        let text = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
        self.init(kind: kind, detail: text)
    }
}
