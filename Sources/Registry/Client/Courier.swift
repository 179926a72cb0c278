/// Sends requests with what the configuration has for all of them.
struct Courier: Sendable {
    let transport: HTTPTransport
    let configuration: ClientConfiguration

    func send(
        _ request: HTTPRequest,
        into sink: BlobSink? = nil,
        subject: String,
        host: String
    ) async throws(RegistryError) -> HTTPResponse {
        var request = request
        request.headers.append(("User-Agent", configuration.userAgent))
        request.proxy = configuration.proxies.proxy(for: request.url)
        request.timeouts.connect = configuration.connectTimeout
        request.timeouts.stall = configuration.stallTimeout
        if request.proxy == nil, !request.url.isLoopback, !configuration.hasNetwork() {
            throw RegistryError(
                .offline,
                "\(subject): this machine has no network beside its loopback, so \(host) cannot be asked",
                isTransient: true
            )
        }
        do { return try await transport.send(request, into: sink) } catch {
            throw RegistryError(error, host: host, subject: subject)
        }
    }
}
