import Host

extension Store {
    /// Makes good what a killed process left behind: called on opening, blocks the thread.
    func recover() throws {
        var refuse = try StoreError.translating(index: layout.database) { try Workspaces.sweep(layout) }
        refuse += try index.writeBlocking { db in
            try Workspaces.forgetDeadLeases(db, layout)
            return try Trash.recover(db, layout)
        }
        try StoreError.translating(index: layout.database) { try Trash.remove(refuse) }
        var isDone = false
        while !isDone { isDone = try index.writeBlocking { db in try Sidecars(layout: layout).flush(db) } }
    }
}
