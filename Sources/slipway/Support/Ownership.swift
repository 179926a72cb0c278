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
}
