import Documents
import Host
import ImageBackend
import Logging
import OCI
import Snapshots
import Store

extension VMs {
    /// Steps done under one lock: others get their turn in between.
    private static let stepsPerLock = 256

    /// Does what a plan says, step by step. A step whose VM another process changed meanwhile is left to the next
    /// plan; a step that fails is written into the VM's status and stops no other.
    public func apply(_ plan: VMPlan) async -> [VMOutcome] {
        remember(plan)
        return await carryOut(plan)
    }

    /// The same for a plan that is about a part of the world.
    func carryOut(_ plan: VMPlan) async -> [VMOutcome] {
        var outcomes: [VMOutcome] = []
        var rest = plan.steps[...]
        while !rest.isEmpty, !Task.isCancelled {
            let batch = rest.prefix(Self.stepsPerLock)
            rest = rest.dropFirst(batch.count)
            do {
                let lock = try await lock()
                defer { withExtendedLifetime(lock) {} }
                outcomes += try await perform(batch, now: plan.now)
            } catch {
                outcomes += batch.map { step in
                    VMOutcome(
                        name: step.name,
                        action: step.action,
                        result: .failed,
                        phase: step.phase,
                        reason: .failed,
                        message: "\(error)"
                    )
                }
            }
        }
        return outcomes
    }

    /// Does steps of several VMs. Those that only write files do so together; all others go first, one by one.
    private func perform(_ steps: some Collection<VMPlan.Step>, now: StoreTime) async throws -> [VMOutcome] {
        var outcomes: [VMOutcome] = []
        var prepared: [PreparedVM] = []
        var cache = RenderCache()
        let bindings = Dictionary(
            uniqueKeysWithValues: try await store.vms(named: steps.map(\.name)).map { ($0.name, $0) }
        )
        for step in steps {
            let binding = bindings[step.name]
            do {
                switch step.action {
                case .report: prepared.append(try report(step, bound: binding?.image))
                case .create, .render:
                    // A name that something else was made of meanwhile is planned anew.
                    guard (step.action == .create) == (binding == nil), let request = request(of: step),
                        let vm = try await prepare(step, request, binding, &cache)
                    else {
                        outcomes.append(outcome(step, .superseded))
                        continue
                    }
                    prepared.append(vm)
                default: outcomes.append(await perform(step, binding, now: now))
                }
            } catch { outcomes.append(await fail(step, error, bound: binding?.image)) }
        }
        for (vm, result) in zip(prepared, try await write(prepared)) {
            switch result {
            case .success: outcomes.append(outcome(vm.step, .done))
            case .failure(let error):
                let bound = vm.machine?.record.image ?? bindings[vm.name]?.image
                outcomes.append(await fail(vm.step, error, bound: bound))
            }
        }
        return outcomes
    }

    private func perform(_ step: VMPlan.Step, _ binding: VMRecord?, now: StoreTime) async -> VMOutcome {
        var step = step
        do {
            guard try await carryOut(&step, binding, now: now) else { return outcome(step, .superseded) }
            return outcome(step, .done)
        } catch { return await fail(step, error, bound: binding?.image) }
    }

    /// Says that a step could not be done.
    private func fail(_ step: VMPlan.Step, _ error: any Error, bound: Digest?) async -> VMOutcome {
        var step = step
        let problem = Self.problem(describing: error)
        step.phase = problem.reason.phaseOfRefusal
        step.reason = problem.reason
        step.message = problem.message
        if [.retire, .delete].contains(step.action) { step.phase = .retiring }
        let last = statuses[step.name]
        let isNews = last?.reason != problem.reason || last?.message != problem.message
        let level: Logger.Level = isNews ? problem.reason == .layersMerging ? .info : .warning : .debug
        logger.log(
            level: level,
            "a VM could not be brought to its request",
            metadata: [
                "vm": "\(step.name)", "reason": "\(problem.reason.rawValue)", "error": "\(problem.message)",
            ]
        )
        do { try await say(step, bound: bound) } catch {
            logger.error(
                "a status could not be written",
                metadata: ["vm": "\(step.name)", "error": "\(error)"]
            )
        }
        return outcome(step, problem.reason == .layersMerging ? .done : .failed)
    }

    private func outcome(_ step: VMPlan.Step, _ result: VMOutcome.Result) -> VMOutcome {
        VMOutcome(
            name: step.name,
            action: step.action,
            result: result,
            phase: step.phase,
            reason: step.reason,
            message: step.message
        )
    }

    /// - Returns: false when the world is not the one that the step was planned for.
    private func carryOut(_ step: inout VMPlan.Step, _ binding: VMRecord?, now: StoreTime) async throws
        -> Bool
    {
        switch step.action {
        case .report, .create, .render: return false
        case .markAbsent, .markPresent:
            guard var record = binding else { return false }
            record.absentSince = step.action == .markAbsent ? now : nil
            try await store.setVM(record)
            try await say(step, bound: record.image)
        case .recreate:
            guard let binding, let request = request(of: step), let digest = step.requestDigest else {
                return false
            }
            // What cannot be made anew stays.
            var cache = RenderCache()
            _ = try await config(for: request, nil, digest: digest, &cache)
            try await retire(binding, now: now)
            try await render(request, nil, &step)
        case .retire:
            guard let binding, isDue(binding, now) else { return false }
            try await retire(binding, now: now)
        case .delete:
            guard let binding, isDue(binding, now) else { return false }
            try await delete(binding)
        case .finishRetiring:
            guard let binding, let former = binding.formerName else { return false }
            let locks = try settings.folder(of: former).lockDisks()
            defer { withExtendedLifetime(locks) {} }
            try moveFolder(former, to: binding.name)
        case .forget:
            guard binding == nil else { return false }
            try forget(step.name)
        }
        return true
    }

    /// Whether a VM's grace is over still: someone may have restored it meanwhile.
    private func isDue(_ binding: VMRecord, _ now: StoreTime) -> Bool {
        (binding.absentSince ?? now) + settings.removeGrace <= now
    }

    /// The request that a step was planned for, unless its file was read anew since.
    private func request(of step: VMPlan.Step) -> VMRequest? {
        guard let name = step.file, let file = folder.file(named: name), file.digest == step.requestDigest
        else {
            return nil
        }
        return file.request
    }

    /// Writes the status that a step leads to, if it says anything new.
    func say(_ step: VMPlan.Step, bound: Digest?) async throws {
        for result in try await write([try report(step, bound: bound)]) { try result.get() }
    }

    /// The status that a step leads to; of the config, it says what was said.
    private func report(_ step: VMPlan.Step, bound: Digest?) throws -> PreparedVM {
        let last = statuses[step.name]
        var status = step.status(bound: bound, isRunning: false)
        status.configDigest = try last?.configDigest ?? settings.folder(of: step.name).configDigest()
        status.layers = last?.layers
        status.warnings = step.warnings ?? last?.warnings ?? []
        return PreparedVM(step: step, status: status, lastStatus: last)
    }

    /// What an error means for a VM.
    static func problem(describing error: any Error) -> RequestFile.Problem {
        switch error {
        case let problem as RequestFile.Problem: return problem
        case let error as ImageError:
            return .init(
                reason: error.code == .notFound ? .imageNotFound : .imageUnavailable,
                message: error.message
            )
        case let error as SnapshotError:
            let reason: VMReason =
                switch error {
                case .inUse: .running
                case .noSpace: .noSpace
                case .notFound, .failed: .failed
                }
            return .init(reason: reason, message: error.description)
        case let error as StoreError:
            let reason: VMReason =
                switch error.code {
                case .noSpace: .noSpace
                case .notFound, .missingBlob: .imageUnavailable
                default: .failed
                }
            return .init(reason: reason, message: error.description)
        case let error as FileError:
            return .init(reason: error.isOutOfSpace ? .noSpace : .failed, message: error.description)
        default: return .init(reason: .failed, message: "\(error)")
        }
    }
}
