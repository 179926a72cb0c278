import Logging
import OCI

extension RegistrySession {
    /// Asks the endpoints of a reference in turn until one gives what is wanted, and all of them again, after a wait,
    /// as long as that may help.
    ///
    /// - Parameters:
    ///   - progress: Grows with what was achieved even by attempts that failed; as long as it does, nobody gives up.
    func rounds<Value>(
        _ reference: Reference,
        progress: () -> UInt64 = { 0 },
        _ attempt: (Endpoint) async throws(RegistryError) -> Value
    ) async throws(RegistryError) -> Value {
        let policy = configuration.retries
        var failures = 0
        var achieved = progress()
        while true {
            var errors: [RegistryError] = []
            for endpoint in try endpoints(for: reference) {
                do { return try await attempt(endpoint) } catch {
                    guard error.code != .cancelled, error.code != .io else { throw error }
                    if error.neverConnected || error.code == .stalled {
                        health.noteDead(endpoint.base.origin)
                    }
                    errors.append(error)
                }
            }
            let error = Self.combined(errors, reference)
            if progress() > achieved {
                achieved = progress()
                failures = 0
            }
            failures += 1
            guard error.isTransient, failures < policy.attempts, !error.neverConnected || achieved > 0,
                error.retryAfter ?? .zero <= policy.patience
            else { throw error }
            let own = policy.delay(afterFailures: failures, random: configuration.time.random())
            let delay = max(own, error.retryAfter ?? .zero)
            logger.debug("\(error.message); trying again in \(delay.milliseconds) ms")
            do { try await configuration.time.sleep(delay) } catch {
                throw RegistryError(.cancelled, "\(reference): stopped while waiting", isTransient: true)
            }
        }
    }

    /// One error of all endpoints: the registry's own, which comes last, with what its mirrors said.
    private static func combined(_ errors: [RegistryError], _ reference: Reference) -> RegistryError {
        guard var error = errors.last else {
            return RegistryError(.unreachable, "\(reference): there is nobody to ask")
        }
        for other in errors.dropLast() {
            error.message += "; before: \(other.message)"
            error.isTransient = error.isTransient || other.isTransient
            error.neverConnected = error.neverConnected && other.neverConnected
            if let wait = other.retryAfter { error.retryAfter = min(wait, error.retryAfter ?? wait) }
        }
        return error
    }
}
