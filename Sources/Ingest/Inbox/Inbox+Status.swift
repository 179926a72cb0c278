import Host
import ImageBackend
import Logging
import OCI
import Store

extension Inbox {
    /// Every item as of the last pass, in order of arrival, and those that jobs work on as they are now.
    public func items() -> [InboxItemStatus] {
        guard let observation else { return [] }
        let queued = Set(queue.names)
        return observation.items.compactMap { item in
            if case .leftAlone = item.standing { return nil }
            return status(of: item, observation.records[item.name], isQueued: queued.contains(item.name))
        }
    }

    private func status(of item: InboxItem, _ record: SourceRecord?, isQueued: Bool) -> InboxItemStatus {
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
        if let job = running[item.name] {
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

    /// Once in the life of this process: writes the receipts that are missing and removes those of items that are
    /// not there, except of items that left the spool while their image is still in the store.
    func reconcileReceipts() async {
        guard !hasReconciledReceipts, let observation, case .present = observation.folder, plan.pause == nil
        else { return }
        hasReconciledReceipts = true
        do {
            let files = try await receipts.names()
            var expected: Set<String> = []
            for item in observation.items {
                let file = ReceiptName.of(item.name)
                expected.insert(file)
                guard !files.contains(file), let record = observation.records[item.name],
                    running[item.name] == nil,
                    record.state == .done || record.state == .failed
                else { continue }
                await receipts.put(
                    Receipt(
                        item: item.name,
                        state: record.state,
                        errorCode: record.errorCode,
                        message: record.message,
                        references: [try? Reference(fileName: item.name).description].compactMap(\.self),
                        digest: record.image,
                        layers: try await store.receiptLayers(of: record.image),
                        bytes: .init(input: item.size),
                        attempts: record.attempts
                    )
                )
            }
            for file in files.subtracting(expected) {
                if let receipt = await receipts.read(file: file), receipt.removed == true,
                    let digest = receipt.digest,
                    try await store.image(digest) != nil
                {
                    continue
                }
                try await receipts.removeFile(file)
            }
        } catch {
            logger.error("cannot put the receipts in order", metadata: ["error": "\(error)"])
        }
    }
}
