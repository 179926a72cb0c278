/// Where a VM stands.
public enum VMPhase: String, Sendable, Hashable, Codable, CaseIterable {
    /// Something it needs is not there yet; it goes on by itself when it comes.
    case waiting
    /// Its config is what the request asks for.
    case ready
    /// It stays as it was bound, although its request or its image's tag now means something else.
    case held
    /// Its request cannot be followed; what was rendered before stays.
    case invalid
    /// Its request is gone.
    case retiring
}

/// Why a VM stands where it stands: a stable code.
public enum VMReason: String, Sendable, Hashable, Codable, CaseIterable {
    /// Its config is what the request asks for.
    case rendered
    /// The store has no image of that name.
    case imageNotFound
    /// The image cannot be used now: a layer or boot file is missing, or the store cannot be read.
    case imageUnavailable
    /// The image has no kernel and the host has no boot profile for it.
    case kernelNotFound
    /// There is too little space for its disk.
    case noSpace
    /// Something could not be written or run; it is tried again.
    case failed
    /// The reference now means another image than the one it is bound to.
    case imageMoved
    /// The request now names another image than the one it is bound to.
    case imageChanged
    /// A hypervisor runs on its disk.
    case running
    /// The request's file may still be being written.
    case requestSettling
    /// The request's syntax, keys or values are wrong.
    case requestInvalid
    /// The request's file cannot be read, is no regular file, or is too big.
    case requestUnreadable
    /// Another request names this VM too.
    case nameTaken
    /// The image or its kernel cannot boot, and why is certain.
    case bootInvalid
    /// The request names a boot profile that the settings do not have.
    case bootProfileUnknown
    /// The devices do not fit what a VM can have, or its command line or config are too long.
    case limitExceeded
    /// The config breaks a rule of the hypervisor.
    case configInvalid
    /// The config names a path of the host that it may not.
    case pathNotAllowed
    /// Its folder holds a disk of which nobody knows the layers it was made on.
    case diskUnbound
    /// A disk is gone that its config names: an empty one would pass for it, so none is made.
    case diskMissing
    /// The request wants a larger disk than there is: it grows once no hypervisor runs on it.
    case diskGrows
    /// The layers are being merged into one disk.
    case layersMerging
    /// Its request is gone.
    case requestGone
}

extension VMReason {
    /// Where a VM stands of which no config can be made for this reason.
    var phaseOfRefusal: VMPhase {
        switch self {
        case .imageNotFound, .imageUnavailable, .kernelNotFound, .noSpace, .failed, .requestSettling,
            .diskGrows,
            .layersMerging:
            .waiting
        case .imageMoved, .imageChanged, .diskUnbound, .diskMissing, .running: .held
        case .requestGone: .retiring
        case .rendered: .ready
        case .requestInvalid, .requestUnreadable, .nameTaken, .bootInvalid, .bootProfileUnknown,
            .limitExceeded, .configInvalid, .pathNotAllowed:
            .invalid
        }
    }
}
