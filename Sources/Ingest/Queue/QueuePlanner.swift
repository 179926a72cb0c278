import ImageBackend
import OCI
import Store

/// Decides, from an observation alone, what is to be done about the queue.
struct QueuePlanner {
    private let observation: QueueObservation
    private var plan = QueuePlan()

    init(_ observation: QueueObservation) { self.observation = observation }

    /// The plan.
    func run() -> QueuePlan {
        var planner = self
        for entry in observation.file.content?.entries ?? [] { planner.judge(entry) }
        for entry in observation.wishes ?? [] where entry.isNeeded { planner.judge(entry) }
        planner.judgeProblems()
        planner.judgeMissingLines()
        planner.judgeMissingWishes()
        return planner.plan
    }

    private mutating func decide(_ source: Source, _ action: QueuePlan.Action) {
        plan.decisions.append(QueuePlan.Decision(source: source, action: action))
    }

    // MARK: What is asked for

    private mutating func judge(_ entry: QueueEntry) {
        if let running = observation.running[entry.source] {
            if running == entry.identity { plan.unchanged += 1 } else { decide(entry.source, .cancel) }
            return
        }
        let record = observation.records[entry.source]
        func pull(_ reason: QueuePlan.Reason) -> QueuePlan.Pull {
            QueuePlan.Pull(entry: entry, reason: reason, record: record)
        }
        guard let record else { return decide(entry.source, .pull(pull(.new))) }
        guard record.identity == entry.identity else { return decide(entry.source, .pull(pull(.changed))) }
        switch record.state {
        // Running is never remembered for a job of this process: whoever wrote it is gone.
        case .waiting, .running: decide(entry.source, .pull(pull(.retry)))
        case .failed: judgeDue(record, pull(.retry), triesOnce: observation.settings.triesOnce)
        case .done:
            guard let image = record.image else { return decide(entry.source, .pull(pull(.imageMissing))) }
            if observation.pins[entry.source]?.contains(image) != true {
                decide(entry.source, .restore(pull(.imageMissing), image: image))
            } else if entry.policy == .always, entry.reference.digest == nil {
                judgeDue(record, pull(.refresh), triesOnce: false)
            } else {
                plan.unchanged += 1
            }
        }
    }

    /// Pulls when it is time.
    private mutating func judgeDue(_ record: SourceRecord, _ pull: QueuePlan.Pull, triesOnce: Bool) {
        let source = pull.entry.source
        let next = AnotherTry(
            due: record.nextTry,
            now: observation.now,
            triesOnce: triesOnce,
            hasTried: observation.tried[source] == pull.entry.identity
        )
        switch next {
        case .now: decide(source, .pull(pull))
        case .later(let time):
            plan.look(at: time)
            plan.unchanged += 1
        case .never: plan.unchanged += 1
        }
    }

    private mutating func judgeProblems() {
        // A line that is still being written is not blamed yet.
        guard case .settled(let content, _) = observation.file else { return }
        // Of a reference with a good line and a bad one, the good one is followed.
        let followed = Set(content.entries.map(\.reference))
        for problem in content.problems {
            guard let reference = problem.reference, !followed.contains(reference) else {
                plan.problems.append(problem)
                continue
            }
            let source = Source.queue(reference.description)
            let record = observation.records[source]
            if observation.running[source] != nil { decide(source, .cancel) }
            if let record, record.state == .failed, record.errorCode == QueueCode.invalidLine,
                record.message == problem.message
            {
                plan.unchanged += 1
            } else {
                decide(source, .refuse(problem))
            }
        }
    }

    // MARK: What is missing

    private mutating func judgeMissingLines() {
        let known = Set(observation.records.keys).union(observation.running.keys)
            .filter { $0.queueReference != nil }
        let content: QueueFile
        let identity: String
        switch observation.file {
        case .settled(let settled, let memory): (content, identity) = (settled, memory)
        case .settling(_, let until): return plan.look(at: until)
        case .refused(let reason): return plan.pause = reason
        case .absent:
            // Nobody has to have a queue.
            guard !known.isEmpty else { return }
            plan.pause =
                "\(observation.settings.path) is not there: nothing is pulled or released until it is back"
            return
        }
        let present = Set(content.entries.map(\.source)).union(
            content.problems.compactMap { $0.reference.map { Source.queue($0.description) } }
        )
        let missing = known.subtracting(present).sorted { $0.rawValue < $1.rawValue }
        let gone = pulled(missing)
        let absence = DoubtedAbsence(
            ofAny: !missing.isEmpty,
            memory: observation.fileRecord,
            isDoubtful: gone >= DoubtedAbsence.threshold && gone * 2 > pulled(known),
            grace: observation.settings.removeGrace,
            now: observation.now
        )
        let memory = observation.fileRecord
        if memory?.identity != identity || memory?.absentSince != absence.since {
            plan.fileChange = QueuePlan.FileChange(identity: identity, heldSince: absence.since)
        }
        for source in missing where observation.running[source] != nil { decide(source, .cancel) }
        if let end = absence.end {
            plan.pause =
                "\(missing.count) of \(known.count) lines went away at one stroke: nothing is released unless that "
                + "stays so for \(observation.settings.removeGrace)"
            return plan.look(at: end)
        }
        release(missing)
    }

    private mutating func judgeMissingWishes() {
        guard let wishes = observation.wishes else { return }
        let wished = Set(wishes.map(\.source))
        let known = Set(observation.records.keys).union(observation.running.keys)
            .filter { $0 != .queueFile && $0.queueReference == nil }
        let missing = known.subtracting(wished).sorted { $0.rawValue < $1.rawValue }
        for source in missing where observation.running[source] != nil { decide(source, .cancel) }
        release(missing)
    }

    private mutating func release(_ missing: [Source]) {
        for source in missing where observation.running[source] == nil {
            decide(source, .release(image: observation.records[source]?.image))
        }
    }

    /// How many of the sources have an image.
    private func pulled(_ sources: some Sequence<Source>) -> Int {
        sources.reduce(0) { $0 + (observation.records[$1]?.image == nil ? 0 : 1) }
    }
}
