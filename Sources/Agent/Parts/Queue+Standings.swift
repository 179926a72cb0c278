import Ingest
import OCI
import Provisioning
import Store

extension Queue {
    /// How far the pulls for VM requests have come, by reference.
    func pullStandings() -> [String: PullStanding] {
        var standings: [String: PullStanding] = [:]
        for wish in wished {
            let (entry, status) = (wish.entry, wish.status)
            let reference = entry.reference.description
            var standing = PullStanding()
            switch status.state {
            case .done: standing.answered = Set(entry.asking)
            case .failed:
                standing.message = "\(reference) cannot be pulled: \(status.message ?? "no reason is known")"
            case .waiting: standing.message = "\(reference) waits for its turn to be pulled"
            case .running:
                let percent = status.bytes.flatMap { all in
                    all == 0 ? nil : status.bytesDone.map { min(100, $0 * 100 / all) / 10 * 10 }
                }
                standing.message = "\(reference) is being pulled" + (percent.map { ", \($0) %" } ?? "")
            }
            standings[reference] = standing
        }
        return standings
    }
}
