import Documents
import Host
import ImageBackend
import Logging
import OCI
import Snapshots
import Store

extension VMs {
    /// Steps done under one lock: others get their turn in between.
    private static let stepsPerLock = 64

    /// Does what a plan says, step by step. A step whose VM another process changed meanwhile is left to the next
    /// plan; a step that fails is written into the VM's status and stops no other.
    public func apply(_ plan: VMPlan) async -> [VMOutcome] {
        remember(plan)
        var outcomes: [VMOutcome] = []
        var rest = plan.steps[...]
        while !rest.isEmpty, !Task.isCancelled {
            let batch = rest.prefix(Self.stepsPerLock)
            rest = rest.dropFirst(batch.count)
            do {
                let lock = try await VMsLock.acquire(settings.vms)
                defer { withExtendedLifetime(lock) {} }
                for step in batch { outcomes.append(await perform(step, now: plan.now)) }
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

    private func perform(_ step: VMPlan.Step, now: StoreTime) async -> VMOutcome {
        var step = step
        var result = VMOutcome.Result.done
        var binding: VMRecord?
        do {
            binding = try await store.vm(step.name)
            guard try await carryOut(&step, binding, now: now) else {
                return outcome(step, .superseded)
            }
        } catch {
            result = .failed
            let problem = Self.problem(describing: error)
            step.phase = problem.reason.phaseOfRefusal
            step.reason = problem.reason
            step.message = problem.message
            if [.retire, .delete].contains(step.action) { step.phase = .retiring }
            logger.warning(
                "a VM could not be brought to its request",
                metadata: [
                    "vm": "\(step.name)", "reason": "\(problem.reason.rawValue)",
                    "error": "\(problem.message)",
                ]
            )
            do { try await say(step, bound: binding?.image) } catch {
                logger.error(
                    "a status could not be written",
                    metadata: ["vm": "\(step.name)", "error": "\(error)"]
                )
            }
        }
        return outcome(step, result)
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
        case .report: try await say(step, bound: binding?.image)
        case .markAbsent, .markPresent:
            guard var record = binding else { return false }
            record.absentSince = step.action == .markAbsent ? now : nil
            try await store.setVM(record)
            try await say(step, bound: record.image)
        case .create:
            guard binding == nil, let request = request(of: step) else { return false }
            try await render(request, nil, &step)
        case .render:
            guard let binding, let request = request(of: step) else { return false }
            try await render(request, binding, &step)
        case .recreate:
            guard let binding, let request = request(of: step), let digest = step.requestDigest else {
                return false
            }
            // What cannot be made anew stays.
            _ = try await config(for: request, nil, digest: digest)
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
    func say(_ step: VMPlan.Step, bound: Digest?, configDigest: Digest? = nil) async throws {
        let vmFolder = settings.folder(of: step.name)
        var status = step.status(bound: bound, isRunning: try vmFolder.isRunning())
        status.configDigest = try configDigest ?? statuses[step.name]?.configDigest ?? vmFolder.configDigest()
        status.warnings = step.warnings ?? statuses[step.name]?.warnings ?? []
        if let old = statuses[step.name], status.saysTheSame(as: old),
            try FileStatus.of(vmFolder.status) != nil
        {
            return
        }
        status.updated = wallClock.timestamp()
        let (content, permissions) = (status.json.serialized(pretty: true), settings.permissions)
        try await onThread(named: "vm status") { _ in
            try Directory.create(vmFolder.path, permissions: .vmFolder)
            try AtomicFile.write(content, to: vmFolder.status, permissions: permissions)
        }
        statuses[step.name] = status
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
