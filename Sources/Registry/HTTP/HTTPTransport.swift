import CCurl
import Glibc
import Host
import Synchronization
import SystemPackage

/// Exchanges over libcurl: one thread drives all of them, and connections stay open for the next.
///
/// HTTP/2 is spoken where the server offers it; streams of one connection are shared by small requests only. A body
/// that its reader holds up would hold up all streams of its connection in libcurl 7.88 (nghttp2 is told to pause,
/// not the stream), so blobs travel by HTTP/1.1, each on a connection of its own.
final class HTTPTransport: Sendable {
    private let loop: TransferLoop

    /// Starts the thread.
    ///
    /// - Throws: ``FileError`` when the system has no thread or memory left.
    init() throws(FileError) {
        let loop = try TransferLoop()
        try startThread(named: "http") { loop.run() }
        self.loop = loop
    }

    deinit { loop.stop() }

    /// Sends a request and waits for the whole response. A body that `sink` accepts goes there as it comes.
    func send(
        _ request: HTTPRequest,
        into sink: (any BodySink)? = nil
    ) async throws(TransferFailure) -> HTTPResponse {
        let handle = Mutex<Transfer?>(nil)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let transfer = Transfer(request, into: sink) { continuation.resume(returning: $0) }
                handle.withLock { $0 = transfer }
                if Task.isCancelled { transfer.markCancelled() }
                loop.submit(.start(transfer))
            }
        } onCancel: {
            guard let transfer = handle.withLock({ $0 }) else { return }
            transfer.markCancelled()
            loop.submit(.cancel(transfer))
        }
        return try result.get()
    }
}

/// The transport's thread and how others speak to it.
///
/// `multi` is used on the thread only, but for waking it, which libcurl allows from everywhere and which the lock
/// orders before the handle's end.
private final class TransferLoop: Sendable {
    enum Command: Sendable { case start(Transfer), cancel(Transfer), resume(Transfer) }

    private struct State {
        var commands: [Command] = []
        var isStopped = false
        var isClosed = false
    }

    nonisolated(unsafe) private let multi: UnsafeMutableRawPointer
    private let state = Mutex(State())

    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init() throws(FileError) {
        guard Self.isLibraryReady, let multi = curl_multi_init() else {
            throw FileError("start", "libcurl", .noMemory)
        }
        self.multi = multi
        // Idle connections that are kept.
        _ = shim_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 64)
    }

    func submit(_ command: Command) {
        let isClosed = state.withLock { state in
            if state.isClosed { return true }
            state.commands.append(command)
            curl_multi_wakeup(multi)
            return false
        }
        if isClosed, case .start(let transfer) = command {
            transfer.markCancelled()
            _ = transfer.start(in: multi) {}
        }
    }

    func stop() {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.isStopped = true
            curl_multi_wakeup(multi)
        }
    }

    func run() {
        // A connection that breaks while OpenSSL writes must not end the process.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)

        var active: [ObjectIdentifier: Transfer] = [:]
        while true {
            let (commands, isStopped) = state.withLock { state in
                defer { state.commands = [] }
                return (state.commands, state.isStopped)
            }
            for command in commands { obey(command, &active) }
            if isStopped { break }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            collect(&active)
            // Wakes for whatever happens; the time-out is only a net below libcurl's own timers.
            curl_multi_poll(multi, nil, 0, 10_000, nil)
        }
        for transfer in active.values { transfer.end(nil, in: multi) }
        let late = state.withLock { state in
            state.isClosed = true
            return state.commands
        }
        for case .start(let transfer) in late {
            transfer.markCancelled()
            _ = transfer.start(in: multi) {}
        }
        curl_multi_cleanup(multi)
    }

    private func obey(_ command: Command, _ active: inout [ObjectIdentifier: Transfer]) {
        switch command {
        case .start(let transfer):
            let started = transfer.start(in: multi) { [weak self, weak transfer] in
                if let transfer { self?.submit(.resume(transfer)) }
            }
            if started != nil { active[ObjectIdentifier(transfer)] = transfer }
        case .cancel(let transfer):
            active.removeValue(forKey: ObjectIdentifier(transfer))?.end(nil, in: multi)
        case .resume(let transfer): active[ObjectIdentifier(transfer)]?.resume()
        }
    }

    private func collect(_ active: inout [ObjectIdentifier: Transfer]) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else {
                continue
            }
            let code = message.pointee.data.result
            var context: UnsafeMutableRawPointer?
            _ = shim_curl_get_pointer(easy, CURLINFO_PRIVATE, &context)
            guard let context else { continue }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            active.removeValue(forKey: ObjectIdentifier(transfer))
            transfer.end(code, in: multi)
        }
    }
}
