import Host
import ImageBackend
import Logging
import OCI
import Store

extension Inbox {
    /// Every item as of the last pass, in order of arrival, and those that jobs work on as they are now.
    public func items() -> [InboxItemStatus] {
        guard let observation else { return [] }
        let (queued, heldBack) = (Set(queue.names), plan.heldBack)
        return observation.items.compactMap { item in
            if case .leftAlone = item.standing { return nil }
            return status(
                of: item,
                observation.records[item.name],
                isQueued: queued.contains(item.name),
                heldBack[item.name]
            )
        }
    }

    /// Those of ``items()`` that are not done.
    public func unfinishedItems() -> [InboxItemStatus] {
        if isQuiet, let known = quiet?.unfinished { return known }
        let unfinished = listUnfinished()
        if isQuiet { quiet?.unfinished = unfinished }
        return unfinished
    }

    private func listUnfinished() -> [InboxItemStatus] {
        guard let observation else { return [] }
        let (queued, heldBack) = (Set(queue.names), plan.heldBack)
        return observation.items.compactMap { item in
            if case .leftAlone = item.standing { return nil }
            let record = observation.records[item.name]
            if case .settled = item.standing, record?.state == .done, jobs.running[item.name] == nil,
                !queued.contains(item.name), heldBack[item.name] == nil
            {
                return nil
            }
            return status(
                of: item,
                record,
                isQueued: queued.contains(item.name),
                heldBack[item.name]
            )
        }
    }

    private func status(
        of item: InboxItem,
        _ record: SourceRecord?,
        isQueued: Bool,
        _ heldBack: (code: String, message: String)?
    ) -> InboxItemStatus {
        var status = InboxItemStatus(
            item: item.name,
            state: record?.state ?? .waiting,
            size: item.size,
            reference: try? Reference(fileName: item.name).description,
            image: record?.image,
            code: record?.errorCode,
            message: record?.message,
            attempts: record?.attempts ?? 0,
            nextTry: record?.nextTry
        )
        if let job = jobs.running[item.name] {
            status.state = .running
            status.bytesDone = job.progress.bytesDone
            status.code = nil
            status.message = nil
            return status
        }
        switch item.standing {
        case .waiting(_, let code, let message):
            (status.state, status.code, status.message) = (.waiting, code, message)
        case .refused(let code, let message):
            (status.state, status.code, status.message) = (.failed, code, message)
        case .settled where heldBack != nil:
            (status.state, status.code, status.message) = (.waiting, heldBack?.code, heldBack?.message)
        case .settled where isQueued:
            (status.state, status.code, status.message) = (.waiting, nil, "waiting for its turn")
        case .settled, .leftAlone: break
        }
        return status
    }

    /// Waits until the receipts asked for so far are written.
    public func flushReceipts() async { await receipts.flush() }

    /// A receipt for an item that has to wait. Thousands that settle at once get none: they are taken within
    /// seconds, and each receipt costs a write.
    func putWaiting(_ item: InboxItem, code: String, message: String) async {
        guard plan.decisions.count <= 64 else { return }
        let record = observation?.records[item.name]
        saidToWait.insert(item.name)
        await receipts.put(
            Receipt(
                item: item.name,
                state: .waiting,
                errorCode: code,
                message: message,
                references: [try? Reference(fileName: item.name).description].compactMap(\.self),
                digest: record?.image,
                bytes: .init(input: item.size),
                attempts: record?.attempts ?? 0
            )
        )
    }

    /// Removes the receipts of items that went away while they waited: of nothing else that would do so was anything
    /// remembered.
    func forgetThoseThatWaited() async {
        guard !saidToWait.isEmpty, let observation, case .present = observation.folder else { return }
        let present = Set(observation.items.map(\.name))
        for name in saidToWait.subtracting(present)
        where observation.records[name] == nil && jobs.running[name] == nil {
            await receipts.remove(name)
        }
        saidToWait.formIntersection(present)
    }

    /// Once in the life of this process: writes the receipts that are missing or tell of another state than is
    /// remembered, and removes those of items that are not there, except of items that left the spool while their
    /// image is still in the store.
    func reconcileReceipts() async {
        guard !hasReconciledReceipts, let observation, case .present = observation.folder, plan.pause == nil
        else { return }
        hasReconciledReceipts = true
        do {
            try await receipts.sweep()
            let files = try await receipts.summaries()
            var expected: Set<String> = []
            for item in observation.items {
                let file = ReceiptName.of(item.name)
                expected.insert(file)
                guard let record = observation.records[item.name], jobs.running[item.name] == nil,
                    record.state == .done || record.state == .failed
                else { continue }
                // A process that was killed may have remembered an outcome and not said it.
                if let summary = files[file], summary.state == record.state,
                    record.state == .failed || summary.digest == record.image
                {
                    continue
                }
                var receipt = Receipt(
                    item: item.name,
                    state: record.state,
                    errorCode: record.errorCode,
                    message: record.message,
                    bytes: .init(input: item.size),
                    attempts: record.attempts
                )
                try await describe(record.images, in: &receipt)
                await receipts.put(receipt)
            }
            for (file, summary) in files where !expected.contains(file) {
                if summary.removed, let digest = summary.digest,
                    try await store.imageDigest(knownAs: digest) != nil
                {
                    continue
                }
                try await receipts.removeFile(file)
            }
        } catch {
            logger.error("cannot put the receipts in order", metadata: ["error": "\(error)"])
        }
    }

    /// Fills in what the store knows of an item's images.
    func describe(_ images: [Digest], in receipt: inout Receipt) async throws {
        let claims = try await store.claims(of: .inbox(receipt.item))
        receipt.references = claims.map(\.reference)
        if claims.isEmpty, let own = try? Reference(fileName: receipt.item) {
            receipt.references = [own.description]
        }
        receipt.digest = images.first
        receipt.layers = try await store.receiptLayers(of: images.first)
        guard images.count > 1 else { return }
        var all: [Receipt.Image] = []
        for image in images {
            all.append(
                Receipt.Image(
                    digest: image,
                    references: claims.filter { $0.image == image }.map(\.reference),
                    layers: try await store.receiptLayers(of: image)
                )
            )
        }
        receipt.images = all
    }
}
