import CCurl
import Host
import Synchronization

/// One exchange in flight.
///
/// Unchecked: apart from `cancelled`, which is atomic, everything that changes is touched on the transport's thread
/// only, from ``start(in:resume:)`` to ``end(_:)``; what the creator sets is never changed.
final class Transfer: @unchecked Sendable {
    private let request: HTTPRequest
    private let sink: (any BodySink)?
    private let completion: @Sendable (Result<HTTPResponse, TransferFailure>) -> Void
    private let cancelled = Atomic<Bool>(false)

    private var easy: UnsafeMutableRawPointer?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private var head = HTTPHead(status: 0)
    private var headBytes = 0
    private var isHeadComplete = false
    private var goesToSink = false
    private var body: [UInt8] = []
    private var failure: TransferFailure?

    /// All headers of a response, in bytes.
    private static let headLimit = 256 << 10
    /// What is kept of the body of an error, in bytes.
    private static let errorLimit = 16 << 10

    init(
        _ request: HTTPRequest,
        into sink: (any BodySink)?,
        completion: @escaping @Sendable (Result<HTTPResponse, TransferFailure>) -> Void
    ) {
        self.request = request
        self.sink = sink
        self.completion = completion
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit { errorText.deallocate() }

    /// Marks the transfer; the transport is told besides.
    func markCancelled() { cancelled.store(true, ordering: .releasing) }

    /// Creates libcurl's handle and hands it to the multi handle; nil when that failed and the transfer has ended.
    func start(
        in multi: UnsafeMutableRawPointer,
        resume: @escaping @Sendable () -> Void
    ) -> UnsafeMutableRawPointer? {
        guard !cancelled.load(ordering: .acquiring) else {
            finish(.failure(TransferFailure(kind: .cancelled, detail: "cancelled")))
            return nil
        }
        guard let easy = curl_easy_init() else {
            finish(.failure(TransferFailure(kind: .broken, detail: "libcurl has no memory left")))
            return nil
        }
        self.easy = easy
        sink?.attach(resume: resume)
        let code = configure(easy)
        guard code == CURLE_OK, curl_multi_add_handle(multi, easy) == CURLM_OK else {
            release()
            finish(.failure(TransferFailure(code, detail: "", wasConnected: false, systemError: 0)))
            return nil
        }
        return easy
    }

    /// Goes on after the sink was full.
    func resume() {
        if let easy { curl_easy_pause(easy, CURLPAUSE_CONT) }
    }

    /// Takes the handle out and says what became of the exchange; nil for a cancelled one.
    func end(_ code: CURLcode?, in multi: UnsafeMutableRawPointer) {
        guard let easy else { return }
        var pretransfer: curl_off_t = 0
        var systemError = 0
        // Set once the connection stands, TLS included.
        _ = shim_curl_get_offset(easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer)
        _ = shim_curl_get_long(easy, CURLINFO_OS_ERRNO, &systemError)
        curl_multi_remove_handle(multi, easy)
        let text = String(cString: errorText)
        release()
        if let failure { return finish(.failure(failure)) }
        guard let code else {
            return finish(.failure(TransferFailure(kind: .cancelled, detail: "cancelled")))
        }
        guard code == CURLE_OK else {
            return finish(
                .failure(
                    TransferFailure(
                        code,
                        detail: text,
                        wasConnected: pretransfer > 0,
                        systemError: Int32(truncatingIfNeeded: systemError)
                    )
                )
            )
        }
        finish(.success(HTTPResponse(head: head, body: body)))
    }

    private func finish(_ result: Result<HTTPResponse, TransferFailure>) { completion(result) }

    private func release() {
        if let easy { curl_easy_cleanup(easy) }
        if let headerList { curl_slist_free_all(headerList) }
        easy = nil
        headerList = nil
    }
}

extension Transfer {
    private func configure(_ easy: UnsafeMutableRawPointer) -> CURLcode {
        var result = CURLE_OK
        func set(_ option: CURLoption, _ value: Int) {
            if result == CURLE_OK { result = shim_curl_set_long(easy, option, value) }
        }
        func set(_ option: CURLoption, _ value: String) {
            if result == CURLE_OK { result = shim_curl_set_text(easy, option, value) }
        }
        func setMilliseconds(_ option: CURLoption, _ value: Duration) {
            set(option, Int(clamping: max(1, value.milliseconds)))
        }
        set(CURLOPT_URL, request.url.text)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_BUFFERSIZE, sink == nil ? 16 << 10 : 256 << 10)
        set(
            CURLOPT_HTTP_VERSION,
            request.mayUseHTTP2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1
        )
        // An empty text keeps libcurl from looking at the environment, which others may be changing.
        set(CURLOPT_PROXY, request.proxy ?? "")
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)

        setMilliseconds(CURLOPT_CONNECTTIMEOUT_MS, request.timeouts.connect)
        set(CURLOPT_LOW_SPEED_LIMIT, request.timeouts.minimumSpeed)
        set(CURLOPT_LOW_SPEED_TIME, Int(max(1, request.timeouts.stall.components.seconds)))
        if let total = request.timeouts.total { setMilliseconds(CURLOPT_TIMEOUT_MS, total) }

        if let file = request.tls.caFile { set(CURLOPT_CAINFO, file) }
        if let file = request.tls.certFile { set(CURLOPT_SSLCERT, file) }
        if let file = request.tls.keyFile { set(CURLOPT_SSLKEY, file) }
        if request.tls.skipVerify {
            set(CURLOPT_SSL_VERIFYPEER, 0)
            set(CURLOPT_SSL_VERIFYHOST, 0)
        }

        switch request.method {
        case .get: set(CURLOPT_HTTPGET, 1)
        case .head: set(CURLOPT_NOBODY, 1)
        case .post:
            set(CURLOPT_POST, 1)
            set(CURLOPT_POSTFIELDSIZE, request.body.count)
            set(CURLOPT_COPYPOSTFIELDS, String(decoding: request.body, as: UTF8.self))
        }
        for (name, value) in request.headers {
            headerList = curl_slist_append(headerList, "\(name): \(value)")
        }
        if result == CURLE_OK { result = shim_curl_set_list(easy, CURLOPT_HTTPHEADER, headerList) }

        let context = Unmanaged.passUnretained(self).toOpaque()
        func pointer(_ option: CURLoption, _ value: UnsafeMutableRawPointer) {
            if result == CURLE_OK { result = shim_curl_set_pointer(easy, option, value) }
        }
        func function(_ option: CURLoption, _ value: curl_write_callback) {
            if result == CURLE_OK { result = shim_curl_set_function(easy, option, value) }
        }
        pointer(CURLOPT_ERRORBUFFER, errorText)
        pointer(CURLOPT_PRIVATE, context)
        pointer(CURLOPT_WRITEDATA, context)
        pointer(CURLOPT_HEADERDATA, context)
        function(CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let context else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.receiveBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        function(CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let context else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.receiveHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        return result
    }

    /// One line of the head (or of a trailer), its line end included.
    private func receiveHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
        headBytes += bytes.count
        guard headBytes <= Self.headLimit else {
            failure = TransferFailure(
                kind: .tooLong,
                detail: "the headers are longer than \(Self.headLimit) bytes"
            )
            return 0
        }
        let line = String(decoding: bytes, as: UTF8.self).trimmingWhitespace()
        if line.isEmpty {
            // Interim responses have heads of their own.
            if head.status >= 200, !isHeadComplete {
                isHeadComplete = true
                goesToSink = sink?.accepts(head) ?? false
            }
        } else if line.hasPrefix("HTTP/"), !isHeadComplete {
            head = HTTPHead(status: Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0)
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].trimmingWhitespace()
            head.headers.append(String(line[..<colon]), value)
        }
        return bytes.count
    }

    private func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        if goesToSink, let sink {
            switch sink.receive(bytes) {
            case .taken: return bytes.count
            case .full: return Int(CURL_WRITEFUNC_PAUSE)
            case .refused: return 0
            }
        }
        guard (200...299).contains(head.status) else {
            // What a server says of an error is only read by people: its beginning will do.
            body.append(contentsOf: bytes.prefix(Self.errorLimit - min(body.count, Self.errorLimit)))
            return bytes.count
        }
        guard body.count + bytes.count <= request.bodyLimit else {
            failure = TransferFailure(
                kind: .tooLong,
                detail: "the response is longer than \(request.bodyLimit) bytes"
            )
            return 0
        }
        if body.isEmpty, let length = head.headers.contentLength, length <= UInt64(request.bodyLimit) {
            body.reserveCapacity(Int(length))
        }
        body.append(contentsOf: bytes)
        return bytes.count
    }
}

extension StringProtocol {
    /// The text without white space at its ends.
    func trimmingWhitespace() -> String {
        var text = self[...]
        while text.first?.isWhitespace == true { text = text.dropFirst() }
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return String(text)
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds.multipliedReportingOverflow(by: 1000).overflow
            ? .max : components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
