import Foundation
import OCI
import TestSupport

/// What a host has to be like once a storm over its inbox has ended.
struct Forecast {
    /// What becomes of an item.
    enum Fate {
        /// It is taken: the diffIDs of its images. Without any it is refused.
        case images([[Digest]])
        /// It is not what was promised of it: refused, or waited for where it was taken before the promise came.
        case notTaken
    }

    var items: [String: Fate]

    func differences(from installation: Installation) async throws -> [String] {
        var differences: [String] = []
        let pinned = try await pins(in: installation, &differences)
        for (name, fate) in items.sorted(by: { $0.key < $1.key }) {
            let receipt = try installation.receipt(name)
            let state = receipt?["state"] as? String ?? "without a receipt"
            switch fate {
            // What it was before, when it was good, may stay.
            case .images([]): if state != "failed" { differences.append("\(name) is no image, but \(state)") }
            case .notTaken:
                if state != "failed", state != "waiting" {
                    differences.append("\(name) is not what was promised, but \(state)")
                }
            case .images(let images):
                let found = Self.images(in: receipt)
                let (layers, wanted) = (found.map(\.layers), images.map { $0.map(\.description) })
                if state != "done" || layers != wanted {
                    differences.append("\(name) is \(state) with \(layers), not done with \(wanted)")
                }
                if pinned["inbox/\(name)"] != Set(found.map(\.digest)) {
                    differences.append(
                        "\(name) pins \(pinned["inbox/\(name)"] ?? []), not \(found.map(\.digest))"
                    )
                }
            }
        }
        let known = Set(items.keys.map { "inbox/\($0)" })
        differences += pinned.keys.filter { !known.contains($0) }.sorted().map {
            "\($0) pins something and is gone"
        }
        let receipts = Set(try await installation.files(below: "receipts/inbox"))
        differences += receipts.subtracting(items.keys.map { "\($0).json" }).sorted().map {
            "\($0) tells of nothing"
        }
        return differences
    }

    /// The images that each source pins; one that nothing pins is a difference.
    private func pins(
        in installation: Installation,
        _ differences: inout [String]
    ) async throws -> [String: Set<String>] {
        let document = try await installation.json("image", "ls")
        var pinned: [String: Set<String>] = [:]
        for image in document["images"] as? [[String: Any]] ?? [] {
            let pins = image["pins"] as? [String] ?? []
            if pins.isEmpty { differences.append("nothing pins \(image["digest"] ?? "an image")") }
            for pin in pins { pinned[pin, default: []].insert(image["digest"] as? String ?? "") }
        }
        return pinned
    }

    /// The images of a receipt, in its order.
    private static func images(in receipt: [String: Any]?) -> [(digest: String, layers: [String])] {
        let images = receipt?["images"] as? [[String: Any]] ?? receipt.map { [$0] } ?? []
        return images.map { image in
            let layers = image["layers"] as? [[String: Any]] ?? []
            return (image["digest"] as? String ?? "", layers.compactMap { $0["diffID"] as? String })
        }
    }
}
