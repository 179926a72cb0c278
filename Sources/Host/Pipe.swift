import CShims
import Glibc
public import SystemPackage

/// Pipes to programs that this process runs.
public enum Pipe {
    /// Makes a pipe. Both ends belong to the caller, and go to no child by themselves.
    public static func make() throws(FileError) -> (reading: FileDescriptor, writing: FileDescriptor) {
        var ends: [Int32] = [-1, -1]
        try retryingSystemCall("make a pipe", "pipe") { shim_pipe(&ends) }
        return (FileDescriptor(rawValue: ends[0]), FileDescriptor(rawValue: ends[1]))
    }

    /// Makes writing into a pipe that nobody reads any more an error (EPIPE) on this thread, not the end of the process.
    public static func reportBrokenOnThisThread() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}
