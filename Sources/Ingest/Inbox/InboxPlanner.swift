import Documents
import Host
import OCI
import Store

/// Decides, from an observation alone, what is to be done about the inbox.
struct InboxPlanner {
    private let observation: InboxObservation
    private var plan = InboxPlan()

    /// While the disk is too full, it is looked at again this often.
    static let shortageInterval = Duration.seconds(10)

    init(_ observation: InboxObservation) { self.observation = observation }

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
        let record = observation.records[item.name]
        func work(_ reason: InboxPlan.Reason) -> InboxPlan.Import {
            var work = InboxPlan.Import(item: item, reason: reason, record: record)
            do throws(ReferenceError) {
                work.reference = try Reference(fileName: item.name).description
            } catch {
                work.nameProblem = "\(error)"
            }
            return work
        }
        guard let record else { return take(work(.new)) }
        switch record.state {
        case .waiting, .running:
            // Running is never remembered for a job of this process: whoever wrote it is gone.
            take(work(.retry))
        case .done:
            guard record.identity == item.identity, record.image != nil else { return take(work(.changed)) }
            let pins = observation.pins[item.name] ?? []
            if !record.images.allSatisfy(pins.contains) {
                decide(item.name, .restore(work(.imageMissing), images: record.images))
            } else if observation.settings.onSuccess == .remove {
                decide(item.name, .consume(item, images: record.images))
            } else {
                plan.unchanged += 1
            }
        case .failed:
            guard record.identity == item.memory else { return take(work(.changed)) }
            judgeFailed(record, work(.retry))
        }
    }

    /// Has an item imported, unless something that concerns all items is in the way.
    private mutating func take(_ work: InboxPlan.Import) {
        if observation.settings.requiresDigest, !work.item.isPromised {
            let missing = work.item.files.count > 1 ? "for each of its files" : "for it"
            let message = "inbox.requireDigest is set: waiting for a .sha256 file \(missing)"
            return decide(
                work.item.name,
                .wait(work.item, until: nil, code: InboxCode.noDigest, message: message)
            )
        }
        if !isHeldBack(work) { decide(work.item.name, .importing(work)) }
    }

    private mutating func isHeldBack(_ work: InboxPlan.Import) -> Bool {
        guard let shortage = observation.shortage else { return false }
        let next = observation.now + Self.shortageInterval
        plan.look(at: next)
        decide(
            work.item.name,
            .wait(work.item, until: next, code: InboxCode.noSpace, message: shortage)
        )
        return true
    }

    private mutating func judgeFailed(_ record: SourceRecord, _ work: InboxPlan.Import) {
        if let code = record.errorCode {
            if InboxCode.refusals.contains(code) { return take(work) }
            // Other settings mean another process, or other parts of this one: each tries once.
            if InboxCode.naming.contains(code), observation.tried[work.item.name] != work.item.identity {
                return take(work)
            }
        }
        guard let nextTry = record.nextTry else {
            plan.unchanged += 1
            return
        }
        let next = AnotherTry(
            due: nextTry,
            now: observation.now,
            triesOnce: observation.settings.triesOnce,
            hasTried: observation.tried[work.item.name] == work.item.identity
        )
        switch next {
        case .now: take(work)
        case .later(let time):
            plan.look(at: time)
            plan.unchanged += 1
        case .never: plan.unchanged += 1
        }
    }

    // MARK: What is missing

    private mutating func judgeMissing() {
        let present = Set(observation.items.map(\.name))
        // A process that was killed between an import's commit and its record left pins without one.
        let known = Set(observation.records.keys).union(observation.running.keys).union(observation.pins.keys)
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
        let taken = missing.count { observation.records[$0]?.image != nil }
        let absence = DoubtedAbsence(
            ofAny: !missing.isEmpty,
            // Another folder makes everything doubtful anew.
            memory: wasReplaced ? nil : memory,
            isDoubtful: wasReplaced || present.isEmpty && taken >= DoubtedAbsence.threshold,
            grace: observation.settings.folderSettle,
            now: observation.now
        )
        if memory == nil || wasReplaced || memory?.absentSince != absence.since {
            plan.folderChange = .accept(inode: inode, heldSince: absence.since)
        }
        for name in missing where observation.running[name] != nil { decide(name, .cancel) }
        if let end = absence.end {
            plan.pause =
                "\(CountText.text(missing.count, "item")) went away at one stroke: nothing is released unless that stays so "
                + "for \(observation.settings.folderSettle)"
            return plan.look(at: end)
        }
        for name in missing where observation.running[name] == nil {
            decide(name, .release(image: observation.records[name]?.image))
        }
    }

    /// How the folder is remembered.
    static func identity(_ inode: UInt64) -> String { "inode=\(inode)" }
}

extension InboxItem {
    /// What a failure is remembered by: the identity, and what was promised for it.
    var memory: String { promisedDigest.map { "\(identity) \($0)" } ?? identity }

    /// Whether a digest is promised for each of its files.
    var isPromised: Bool { fileDigests.count == files.count && fileDigests.allSatisfy { $0 != nil } }
}
