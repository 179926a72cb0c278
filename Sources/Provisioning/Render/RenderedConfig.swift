/// A config with what there is to say of it.
struct RenderedConfig {
    /// The content of `config.json`.
    var bytes: [UInt8] = []
    /// How the layers are attached.
    var layers: LayerDisks
    /// Why they are attached so.
    var choice = ""
    /// What the disk `slipway` tells the guest; nil for no such disk.
    var guest: GuestConfig?
    /// How many PCI segments the VM has.
    var segments = 1
    /// How near it is to what limits it.
    var limits: [LimitUse] = []

    init(layers: LayerDisks) { self.layers = layers }
}
