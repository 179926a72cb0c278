/// Something about an image, or the kernel it is to boot with, that keeps a VM from booting, or may.
public struct BootFinding: Sendable, Hashable, Codable {
    /// How sure it is.
    public enum Severity: String, Sendable, Hashable, Codable {
        /// The VM cannot boot.
        case error
        /// It may not.
        case warning
    }

    /// What is wrong: a stable code.
    public enum Code: String, Sendable, Hashable, Codable, CaseIterable {
        /// The kernel or the initramfs is not there, or cannot be read.
        case bootFileUnreadable
        /// The kernel's file is of no form that Cloud Hypervisor loads.
        case kernelFormat
        /// The kernel is for another processor than this host's.
        case kernelArchitecture
        /// The initramfs is of no form that a kernel unpacks, or of one that this kernel does not.
        case initramfsFormat
        /// The image is for another processor than this host's.
        case imageArchitecture
        /// The kernel lacks what the guest contract needs.
        case kernelFeatureMissing
        /// The initramfs lacks a module that the guest contract needs.
        case initramfsModuleMissing
        /// The initramfs does not speak the guest contract, as far as can be told.
        case initramfsContractMissing
        /// The image's own initramfs wants an init that the image does not have.
        case initMissing
        /// The image has neither a command nor an init nor a shell.
        case nothingToRun
        /// The program that the image is to run is not in it.
        case entrypointMissing
    }

    /// How sure it is.
    public var severity: Severity
    /// What is wrong.
    public var code: Code
    /// In words, with what to do.
    public var message: String

    /// Creates a finding.
    public init(_ severity: Severity, _ code: Code, _ message: String) {
        self.severity = severity
        self.code = code
        self.message = message
    }
}
