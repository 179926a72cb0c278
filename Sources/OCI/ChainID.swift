/// The identity of a stack of layers (image-spec, config.md, "Layer ChainID").
public enum ChainID {
    /// The ChainID of layers, bottom first; nil for none.
    ///
    /// One layer's is its diffID; each further layer makes it the digest of `CHAINID DIFFID`.
    public static func of(_ diffIDs: some Sequence<Digest>) -> Digest? { all(diffIDs).last }

    /// The ChainID of every prefix of a stack, bottom first.
    public static func all(_ diffIDs: some Sequence<Digest>) -> [Digest] {
        diffIDs.reduce(into: []) { chain, diffID in
            chain.append(chain.last.map { Digest.sha256(of: "\($0) \(diffID)".utf8) } ?? diffID)
        }
    }
}
