/// The product's version: blobs record it, and the command line prints it.
public let slipwayVersion = "0.1.0"
