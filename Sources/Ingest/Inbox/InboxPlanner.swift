import Host
import OCI
import Store

/// Decides, from an observation alone, what is to be done about the inbox.
struct InboxPlanner {
    private let observation: InboxObservation
    private let patterns: ReferencePatterns
    private var plan = InboxPlan()

    /// From so many taken items on, the loss of all of them at one stroke is not believed at once.
    static let emptiedThreshold = 3

    init(_ observation: InboxObservation) {
        self.observation = observation
        patterns = ReferencePatterns(observation.settings.allowReferences)
    }

    /// The plan.
    func run() -> InboxPlan {
        var planner = self
        for item in observation.items { planner.judge(item) }
        planner.judgeMissing()
        return planner.plan
    }

    private mutating func decide(_ item: String, _ action: InboxPlan.Action) {
        plan.decisions.append(InboxPlan.Decision(item: item, action: action))
    }

    // MARK: What is there

    private mutating func judge(_ item: InboxItem) {
        if let running = observation.running[item.name] {
            if running == item.identity { plan.unchanged += 1 } else { decide(item.name, .cancel) }
            return
        }
        switch item.standing {
        case .leftAlone(let message): decide(item.name, .leaveAlone(message: message))
        case .refused(let code, let message): refuse(item, code, message)
        case .waiting(let until, let code, let message):
            if let until { plan.look(at: until) }
            decide(item.name, .wait(item, until: until, code: code, message: message))
        case .settled: judgeSettled(item)
        }
    }

    /// Refuses an item, once for each state of it.
    private mutating func refuse(_ item: InboxItem, _ code: String, _ message: String) {
        let record = observation.records[item.name]
        if let record, record.state == .failed, record.errorCode == code, record.identity == item.memory {
            plan.unchanged += 1
        } else {
            decide(item.name, .refuse(item, code: code, message: message))
        }
    }

    private mutating func judgeSettled(_ item: InboxItem) {
        let reference: String
        do throws(ReferenceError) {
            reference = try Reference(fileName: item.name).description
        } catch {
            return refuse(item, InboxCode.invalidReference, "\(error)")
        }
        guard patterns.allow(reference) else {
            let message =
                "'\(item.name)' claims \(reference), which inbox.allowReferences does not cover: rename it, or extend the setting"
            return refuse(item, InboxCode.referenceNotAllowed, message)
        }
        let record = observation.records[item.name]
        func work(_ reason: InboxPlan.Reason) -> InboxPlan.Import {
            InboxPlan.Import(item: item, reference: reference, reason: reason, record: record)
        }
        guard let record else { return decide(item.name, .importing(work(.new))) }
        switch record.state {
        case .waiting, .running:
            // Running is never remembered for a job of this process: whoever wrote it is gone.
            decide(item.name, .importing(work(.retry)))
        case .done:
            guard record.identity == item.identity, let image = record.image else {
                return decide(item.name, .importing(work(.changed)))
            }
            if observation.pins[item.name]?.contains(image) != true {
                decide(item.name, .restore(work(.imageMissing), image: image))
            } else if observation.settings.onSuccess == .remove {
                decide(item.name, .consume(item, image: image))
            } else {
                plan.unchanged += 1
            }
        case .failed:
            guard record.identity == item.memory else { return decide(item.name, .importing(work(.changed))) }
            judgeFailed(record, work(.retry))
        }
    }

    private mutating func judgeFailed(_ record: SourceRecord, _ work: InboxPlan.Import) {
        if let code = record.errorCode, InboxCode.refusals.contains(code) {
            return decide(work.item.name, .importing(work))
        }
        guard let nextTry = record.nextTry else {
            plan.unchanged += 1
            return
        }
        if observation.settings.triesOnce {
            if observation.tried[work.item.name] == work.item.identity {
                plan.unchanged += 1
            } else {
                decide(work.item.name, .importing(work))
            }
        } else if nextTry <= observation.now {
            decide(work.item.name, .importing(work))
        } else {
            plan.look(at: nextTry)
            plan.unchanged += 1
        }
    }

    // MARK: What is missing

    private mutating func judgeMissing() {
        let present = Set(observation.items.map(\.name))
        let known = Set(observation.records.keys).union(observation.running.keys)
        let missing = known.subtracting(present).sorted()
        guard case .present(let inode) = observation.folder else {
            plan.pause =
                switch observation.folder {
                case .refused(let reason): reason
                default: "\(observation.settings.path) is not there: nothing is released until it is back"
                }
            return
        }
        let memory = observation.folderRecord
        let wasReplaced = memory.map { $0.identity != Self.identity(inode) } ?? false
        if wasReplaced && present.isEmpty && !observation.records.isEmpty {
            plan.pause =
                "\(observation.settings.path) is another folder than before, and empty: nothing is released until the old one is back, or something is put into this one"
            return
        }
        let heldSince = hold(missing, present, wasReplaced)
        if memory == nil || wasReplaced || memory?.absentSince != heldSince {
            plan.folderChange = .accept(inode: inode, heldSince: heldSince)
        }
        for name in missing where observation.running[name] != nil { decide(name, .cancel) }
        if let heldSince {
            let end = heldSince + observation.settings.folderSettle
            if observation.now < end {
                plan.pause =
                    "\(missing.count) items went away at one stroke: nothing is released unless that stays so for \(observation.settings.folderSettle)"
                plan.look(at: end)
                return
            }
        }
        for name in missing where observation.running[name] == nil {
            decide(name, .release(image: observation.records[name]?.image))
        }
    }

    /// Since when the absence of items is doubted; nil when it is not.
    private func hold(_ missing: [String], _ present: Set<String>, _ wasReplaced: Bool) -> StoreTime? {
        guard !missing.isEmpty else { return nil }
        if wasReplaced { return observation.now }
        if let since = observation.folderRecord?.absentSince { return since }
        let taken = missing.filter { observation.records[$0]?.image != nil }
        return present.isEmpty && taken.count >= Self.emptiedThreshold ? observation.now : nil
    }

    /// How the folder is remembered.
    static func identity(_ inode: UInt64) -> String { "inode=\(inode)" }
}

extension InboxItem {
    /// What a failure is remembered by: the identity, and what was promised for it.
    var memory: String { promisedDigest.map { "\(identity) \($0)" } ?? identity }
}
