import EROFS
import Host
import OCI
import Store

/// The layers of one image on their way into the store: each waits until those below it have their final form.
actor LayerStack {
    private var layers: [Int: MergedView.Layer] = [:]
    private var waiting: [Int: CheckedContinuation<MergedView, any Error>] = [:]
    private var failure: (any Error)?

    /// The view of all layers below a position, once they have their final form.
    ///
    /// - Throws: what stopped one of them.
    func below(_ position: Int) async throws -> MergedView {
        if let failure { throw failure }
        if let view = view(below: position) { return view }
        return try await withCheckedThrowingContinuation { waiting[position] = $0 }
    }

    /// Notes the final form of a layer.
    func place(_ layer: MergedView.Layer, at position: Int) {
        layers[position] = layer
        for waiter in waiting.keys.sorted() {
            guard let view = view(below: waiter) else { break }
            waiting.removeValue(forKey: waiter)?.resume(returning: view)
        }
    }

    /// Stops whoever waits: a layer will not come.
    func fail(_ error: any Error) {
        if failure == nil { failure = error }
        for waiter in waiting.values { waiter.resume(throwing: error) }
        waiting = [:]
    }

    private func view(below position: Int) -> MergedView? {
        let below = (0..<position).compactMap { layers[$0] }
        return below.count == position ? MergedView(layers: below) : nil
    }
}
