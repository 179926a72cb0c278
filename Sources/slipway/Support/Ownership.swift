import Glibc
import Host
import SystemPackage

/// Acting as the store's owner, so that root leaves no file behind that the agent cannot replace.
enum Ownership {
    /// Run by root, takes on user and group of the nearest folder that exists of `store` and those above it, down to
    /// `root`. Run by anyone else, does nothing. Input files have to be open by then.
    static func assume(of store: FilePath, root: FilePath) throws {
        guard geteuid() == 0 else { return }
        guard let status = try FileStatus.of(store) ?? FileStatus.of(root), status.userID != 0 else { return }
        var groups = [status.groupID]
        guard setgroups(groups.count, &groups) == 0, setegid(status.groupID) == 0, seteuid(status.userID) == 0
        else {
            throw Failure(
                .failed,
                "cannot act as the owner of \(store) (user \(status.userID)): \(Errno(rawValue: errno))"
            )
        }
    }

    /// Runs work as the user who started the program, such as putting a file where only that one may.
    static func asCaller<Success>(_ work: () throws -> Success) throws -> Success {
        let (user, group) = (geteuid(), getegid())
        guard user != getuid() else { return try work() }
        guard seteuid(getuid()) == 0, setegid(getgid()) == 0 else {
            throw Failure("cannot act as user \(getuid()) again: \(Errno(rawValue: errno))")
        }
        defer {
            // As root, which the caller is: the reverse of what has just succeeded.
            _ = setegid(group)
            _ = seteuid(user)
        }
        return try work()
    }
}
