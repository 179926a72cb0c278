import OCI
import Snapshots
import Store

/// Makes a plan from an observation. Pure: the same observation gives the same plan.
struct Planner {
    private let world: VMObservation
    private let bindings: [String: VMRecord]
    private let claims: Claims
    private var plan: VMPlan

    init(_ observation: VMObservation) {
        world = observation
        plan = VMPlan(now: observation.now)
        let active = observation.bindings.filter { !$0.isRetired }
        bindings = Dictionary(active.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        claims = Claims(files: observation.files, bindings: active)
    }

    /// The plan.
    static func plan(_ observation: VMObservation) -> VMPlan {
        var planner = Planner(observation)
        planner.run()
        return planner.plan
    }

    private mutating func run() {
        plan.unavailable = world.unavailable
        guard world.unavailable == nil else { return }
        for record in world.halfRetired {
            plan.steps.append(
                VMPlan.Step(
                    name: record.name,
                    action: .finishRetiring,
                    phase: .retiring,
                    reason: .requestGone,
                    message: "its folder is still to be moved"
                )
            )
        }
        plan.problems = claims.problems
        let names = Set(bindings.keys).union(claims.owners.keys).union(world.machines.keys)
        for name in names.sorted() { judge(name) }
    }

    private mutating func judge(_ name: String) {
        let binding = bindings[name]
        switch claims.owners[name] {
        case .file(let file): judge(name, file, binding)
        case .conflict(let files):
            let list = files.joined(separator: ", ")
            var step = VMPlan.Step(
                name: name,
                action: .report,
                phase: .invalid,
                reason: .nameTaken,
                message: "the requests \(list) all name \(name), so none of them gets it; keep one"
            )
            step.action = presence(of: binding)
            add(step)
        case nil:
            if let binding { depart(binding) } else { leave(name) }
        }
    }

    /// A folder that neither a request nor a binding stands for.
    private mutating func leave(_ name: String) {
        guard world.halfRetired.allSatisfy({ $0.formerName != name }) else { return }
        var step = VMPlan.Step(
            name: name,
            action: .forget,
            phase: .retiring,
            reason: .requestGone,
            message: "its request is gone, and it never had a config"
        )
        if world.machines[name]?.diskSize != nil {
            step.action = .report
            step.judge(.held, .diskUnbound, Advice.unknownDisk(name))
        }
        add(step)
    }

    /// A VM that a request stands for.
    private mutating func judge(_ name: String, _ file: RequestFile, _ binding: VMRecord?) {
        switch file.content {
        case .settling:
            // Neither gone nor readable: nothing is said anew.
            guard binding?.absentSince != nil else { return }
            add(
                VMPlan.Step(
                    name: name,
                    action: .markPresent,
                    phase: .waiting,
                    reason: .requestSettling,
                    message: "its request is back, and may still be being written",
                    file: file.name
                )
            )
        case .problem(let problem):
            add(
                VMPlan.Step(
                    name: name,
                    action: presence(of: binding),
                    phase: .invalid,
                    reason: problem.reason,
                    message: problem.message,
                    file: file.name,
                    requestDigest: file.digest
                )
            )
        case .request(let request):
            guard let digest = file.digest else { return }
            var step = VMPlan.Step(
                name: name,
                action: .report,
                phase: .ready,
                reason: .rendered,
                message: "",
                file: file.name,
                requestDigest: digest,
                reference: request.image
            )
            let image = world.images[request.image] ?? .missing
            if case .found(let wanted) = image { step.wanted = wanted }
            if let binding {
                follow(request, image, binding, &step)
            } else {
                begin(request, image, &step)
            }
            add(step)
        }
    }

    /// A VM without a binding.
    private func begin(_ request: VMRequest, _ image: VMObservation.ImageState, _ step: inout VMPlan.Step) {
        let machine = world.machines[request.name]
        if machine?.diskSize != nil, world.halfRetired.allSatisfy({ $0.formerName != request.name }) {
            // It was made on layers that nobody knows any more: no image may be put under it.
            step.judge(.held, .diskUnbound, Advice.unknownDisk(request.name))
            return
        }
        switch image {
        case .missing:
            let pull = request.pull == .never ? nil : standing(of: request.image)
            step.judge(.waiting, .imageNotFound, pull?.message ?? Advice.missingImage(request))
        case .unavailable(let why): step.judge(.waiting, .imageUnavailable, why)
        case .found(let wanted):
            if request.pull == .always, VMObservation.pullable(request.image) != nil,
                standing(of: request.image)?.answered.contains(request.name) != true
            {
                let message = standing(of: request.image)?.message ?? Advice.asking(request.image)
                step.judge(.waiting, .imageUnavailable, message)
            } else if let refused = machine?.refused, refused.inputs.request == step.requestDigest,
                refused.inputs.image == wanted
            {
                step.refuse(refused.problem)
            } else {
                step.action = .create
            }
        }
    }

    private func standing(of image: String) -> PullStanding? {
        VMObservation.pullable(image).flatMap { world.pulls[$0.description] }
    }

    /// A VM with a binding.
    private func follow(
        _ request: VMRequest,
        _ image: VMObservation.ImageState,
        _ binding: VMRecord,
        _ step: inout VMPlan.Step
    ) {
        let machine = world.machines[binding.name] ?? VMObservation.Machine()
        let isSameReference = request.image == binding.reference
        step.action = presence(of: binding)
        switch image {
        case .found(let wanted) where wanted != binding.image:
            if world.onImageChange == .recreate {
                guard machine.isRunning else { return step.action = .recreate }
                step.judge(
                    .held,
                    .running,
                    "its image is another now; it is made anew once no hypervisor runs on its disk"
                )
            } else {
                step.judge(
                    .held,
                    isSameReference ? .imageMoved : .imageChanged,
                    Advice.heldImage(request, bound: binding.image, wanted: wanted, moved: isSameReference)
                )
            }
            if !isSameReference { return }
        case .missing where !isSameReference:
            return step.judge(.held, .imageNotFound, Advice.missingImage(request))
        case .unavailable(let why) where !isSameReference: return step.judge(.held, .imageUnavailable, why)
        case .found, .missing, .unavailable: break
        }
        // A tag that moved, or is gone, leaves the request itself as good as it was: it is followed on the layers
        // that the VM is bound to.
        render(request, binding, machine, &step)
    }

    private func render(
        _ request: VMRequest,
        _ binding: VMRecord,
        _ machine: VMObservation.Machine,
        _ step: inout VMPlan.Step
    ) {
        guard let digest = step.requestDigest else { return }
        let wishes = request.diskWishes(machine)
        if let kept = wishes.first(where: { $0.wish < $0.size }), step.message.isEmpty {
            step.message = Advice.unshrunkDisk(kept)
        }
        let growing = wishes.first { $0.wish > $0.size }
        if let growing, machine.isRunning { step.judge(.waiting, .diskGrows, Advice.grownDisk(growing)) }
        let inputs = VMObservation.Inputs(request: digest, image: binding.image, keys: binding.keys)
        if let refused = machine.refused, refused.inputs == inputs { return step.refuse(refused.problem) }
        let isCurrent =
            machine.rendered == inputs && machine.diskSize != nil && binding.request == step.file
            && binding.reference == request.image && binding.requestDigest == digest
            && request.hasAllDataDisks(machine) && machine.damaged.isEmpty
            && (growing == nil || machine.isRunning)
        if !isCurrent { step.action = .render }
        if machine.rendered == inputs { step.damaged = machine.damaged }
    }

    /// A VM whose request is gone.
    private mutating func depart(_ binding: VMRecord) {
        let since = binding.absentSince ?? world.now
        let due = since + world.removeGrace
        var step = VMPlan.Step(
            name: binding.name,
            action: .report,
            phase: .retiring,
            reason: .requestGone,
            message: Advice.gone(binding, onRemove: world.onRemove),
            reference: binding.reference
        )
        if world.now < due {
            if binding.absentSince == nil { step.action = .markAbsent }
            step.due = due
        } else if world.machines[binding.name]?.isRunning == true {
            if binding.absentSince == nil { step.action = .markAbsent }
            step.judge(
                .retiring,
                .running,
                "its request is gone; it goes once no hypervisor runs on its disk"
            )
        } else {
            step.action = world.onRemove == .retain ? .retire : .delete
        }
        add(step)
    }

    /// A request that came back within the grace goes on as if nothing had been.
    private func presence(of binding: VMRecord?) -> VMPlan.Action {
        binding?.absentSince == nil ? .report : .markPresent
    }

    /// Adds a step, unless there is nothing to do and nothing new to say.
    private mutating func add(_ step: VMPlan.Step) {
        if let due = step.due { plan.nextDue = min(plan.nextDue ?? due, due) }
        let machine = world.machines[step.name]
        if step.action == .report, let old = machine?.status {
            var new = step.status(bound: bindings[step.name]?.image, isRunning: machine?.isRunning ?? false)
            new.configDigest = old.configDigest
            new.warnings = old.warnings
            new.layers = old.layers
            if new.saysTheSame(as: old) { return }
        }
        plan.steps.append(step)
    }
}

extension VMRequest {
    /// The disks that are there, with the sizes that the request asks for where it asks for one.
    fileprivate func diskWishes(_ machine: VMObservation.Machine) -> [VMObservation.DiskWish] {
        var wishes: [VMObservation.DiskWish] = []
        if let wish = diskSize, let size = machine.diskSize {
            wishes.append(.init(member: "disk.size", size: size, wish: WritableDisk.actualSize(for: wish)))
        }
        for disk in dataDisks ?? [] {
            guard let size = machine.dataDiskSizes[disk.name] else { continue }
            let wish = WritableDisk.actualSize(for: disk.size)
            wishes.append(.init(member: "the size of the data disk \(disk.name)", size: size, wish: wish))
        }
        return wishes
    }

    fileprivate func hasAllDataDisks(_ machine: VMObservation.Machine) -> Bool {
        (dataDisks ?? []).allSatisfy { machine.dataDiskSizes[$0.name] != nil }
    }
}

extension VMPlan.Step {
    fileprivate mutating func judge(_ phase: VMPhase, _ reason: VMReason, _ message: String) {
        self.phase = phase
        self.reason = reason
        self.message = message
    }

    fileprivate mutating func refuse(_ problem: RequestFile.Problem) {
        judge(problem.reason.phaseOfRefusal, problem.reason, problem.message)
    }

    /// The status that tells of this step once it is done.
    func status(bound: Digest?, isRunning: Bool) -> VMStatus {
        var status = VMStatus(name: name, phase: phase, reason: reason, message: message)
        status.requestDigest = requestDigest
        status.running = isRunning
        status.image = reference.map { VMStatus.Image(reference: $0, wanted: wanted, bound: bound) }
        return status
    }
}
