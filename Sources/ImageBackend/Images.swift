public import GarbageCollection
public import OCI
public import Store

/// A backend that turns images into disks a VM can boot from.
public protocol Images: Sendable {
    /// A short name: `oci`.
    var type: String { get }

    /// Makes an image of a registry part of the store, asking the registry only as the request's policy says.
    func pull(_ request: PullRequest, tracker: any Tracker) async throws(ImageError) -> Image

    /// Imports local tar files as one image: several are its layers in order; one that is an archive of images
    /// is that image.
    func `import`(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> Image

    /// The same for every image of an archive of several, in one commit. What they are called is up to the request.
    func importAll(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> [Image]

    /// The image that a reference, normalised reference, digest, or unique digest prefix of 12 or more hex digits
    /// names; nil when there is none. An ambiguous prefix is an error that lists the matches.
    func inspect(_ query: String) async throws(ImageError) -> Image?

    /// The digest of the image that ``inspect(_:)`` finds. Costs the same however many VMs are bound to it.
    func digest(of query: String) async throws(ImageError) -> Digest?

    /// Every image.
    func list() async throws(ImageError) -> [Image]

    /// Deletes images and returns the queries that matched; those that match nothing are logged and skipped.
    func delete(_ queries: [String]) async throws(ImageError) -> [String]

    /// The disks and boot files of each VM, in the order of `vms`.
    func config(_ vms: [VMImage]) async throws(ImageError) -> [VMConfiguration]

    /// The one disk that holds all layers of an image as a guest sees them. Made where it is not there, which takes as
    /// long as writing an image of that size; who asks for the same at the same time shares the work.
    ///
    /// - Parameter keys: the image's layers, bottom first, as ``VMConfiguration/keys`` has them.
    func mergedDisk(of image: Digest, keys: [LayerKey]) async throws(ImageError) -> MergedDisk

    /// The same disk if it is there, whole and within the guests' kernel; nothing is made.
    func presentMergedDisk(keys: [LayerKey]) async throws(ImageError) -> MergedDisk?

    /// What keeps a VM from booting with a kernel and an initramfs, or may: told by the files alone, before anyone tries.
    func bootFindings(_ vm: VMConfiguration, boot: BootConfig) async throws(ImageError) -> [BootFinding]

    /// The module that collects this backend's garbage.
    var gcModule: any Module { get }

    /// Registers the module.
    func registerGC(_ orchestrator: Orchestrator) async
}

extension Images {
    /// What ``inspect(_:)`` tells, in a backend that has no shorter way.
    public func digest(of query: String) async throws(ImageError) -> Digest? {
        try await inspect(query)?.digest
    }

    /// Nothing, in a backend that cannot tell.
    public func bootFindings(
        _ vm: VMConfiguration,
        boot: BootConfig
    ) async throws(ImageError) -> [BootFinding] { [] }

    /// The one image, where a backend knows no archives of several.
    public func importAll(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> [Image]
    {
        [try await self.import(request, tracker: tracker)]
    }
}
