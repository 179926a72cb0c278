public import SystemPackage

/// Something that happened in a watched folder, as far as the kernel told.
///
/// Events trigger a look at the folder and shorten the wait for a file; they never say what is true.
public struct WatchEvent: Sendable, Hashable {
    /// What happened (inotify(7)).
    public enum Kind: Sendable, Hashable {
        /// A file or folder was renamed into the folder.
        case renamedIn
        /// A file was closed by someone who had it open for writing.
        case closedAfterWriting
        /// A name came into being: a new file, folder, symbolic or hard link.
        case created
        /// A name went away: removed, or renamed to elsewhere.
        case removed
        /// Attributes changed: owner, permissions, times, link count.
        case changed
        /// Events were lost: look at everything.
        case overflow
        /// The folder itself was removed, renamed, unmounted or replaced, or is not there.
        case folderGone
        /// A watch was placed; what happened in the folder before is not known.
        case watching
        /// The folder cannot be watched, or not wholly; the reason in words.
        case degraded(String)
    }

    /// The watched folder, as it was named by who asked.
    public var folder: FilePath
    /// The name in the folder; nil where the event concerns the folder.
    public var name: FilePath.Component?
    /// What happened.
    public var kind: Kind

    /// Creates an event.
    public init(folder: FilePath, name: FilePath.Component? = nil, kind: Kind) {
        self.folder = folder
        self.name = name
        self.kind = kind
    }
}

/// How well a folder is watched.
public enum WatchState: Sendable, Hashable {
    /// The kernel reports every change.
    case watching
    /// Changes made elsewhere are not reported (a network or user-space file system): look at intervals.
    case blind(String)
    /// Nothing is reported: look at intervals. The reason in words.
    case unwatched(String)
}
