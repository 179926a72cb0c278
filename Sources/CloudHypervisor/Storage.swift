public import Documents

extension VmConfig {
    /// A disk: a raw image file or a block device.
    public struct Disk: Hashable, Sendable {
        /// The device's name in the API, unique in the VM.
        public var id: String?
        /// The absolute path.
        public var path: String
        /// Whether the guest may only read. Read-only disks are locked so that VMs can share them.
        public var isReadOnly: Bool
        /// Whether the host's page cache is bypassed.
        public var isDirect = false
        /// Queues; at most the vCPUs that the VM boots with.
        public var queues: UInt16 = 1
        /// Requests per queue, a power of two above 2.
        public var queueSize: UInt16 = 128
        /// What the guest knows the disk by, at most 20 bytes.
        public var serial: String?
        /// The PCI segment it sits on.
        public var pciSegment: UInt16 = 0
        /// Limits of its own.
        public var rateLimiter: RateLimiter?
        /// The group whose limits it shares.
        public var rateLimitGroup: String?
        /// Whether blocks may be given back to the host; false allocates all of them at the start.
        public var isSparse = true

        /// Creates a disk.
        public init(id: String? = nil, path: String, isReadOnly: Bool = false, serial: String? = nil) {
            self.id = id
            self.path = path
            self.isReadOnly = isReadOnly
            self.serial = serial
        }

        /// The JSON that the API takes. The image's type is always written: where it is only detected, the guest cannot
        /// write the first sector.
        public var json: JSONValue {
            var object = JSONObject()
            object.set("id", id)
            object.set("path", path)
            object.set("image_type", "Raw")
            object.set("readonly", isReadOnly, default: false)
            object.set("direct", isDirect, default: false)
            object.set("num_queues", queues, default: 1)
            object.set("queue_size", queueSize, default: 128)
            object.set("serial", serial)
            object.set("pci_segment", pciSegment, default: 0)
            object.set("rate_limiter_config", rateLimiter?.json)
            object.set("rate_limit_group", rateLimitGroup)
            object.set("sparse", isSparse, default: true)
            return object.value
        }
    }

    /// Limits on a device's traffic.
    public struct RateLimiter: Hashable, Sendable {
        /// A bucket of tokens that is filled again steadily.
        public struct Bucket: Hashable, Sendable {
            /// Tokens it holds: bytes or operations.
            public var size: UInt64
            /// Tokens that it holds beyond at first.
            public var burst: UInt64?
            /// Milliseconds until an empty one is full.
            public var refillMilliseconds: UInt64

            /// Creates a bucket.
            public init(size: UInt64, burst: UInt64? = nil, refillMilliseconds: UInt64) {
                self.size = size
                self.burst = burst
                self.refillMilliseconds = refillMilliseconds
            }

            /// The JSON that the API takes.
            public var json: JSONValue {
                var object = JSONObject()
                object.set("size", size)
                object.set("one_time_burst", burst)
                object.set("refill_time", refillMilliseconds)
                return object.value
            }
        }

        /// Bytes.
        public var bandwidth: Bucket?
        /// Operations.
        public var operations: Bucket?

        /// Creates limits.
        public init(bandwidth: Bucket? = nil, operations: Bucket? = nil) {
            self.bandwidth = bandwidth
            self.operations = operations
        }

        /// The JSON that the API takes.
        public var json: JSONValue {
            var object = JSONObject()
            object.set("bandwidth", bandwidth?.json)
            object.set("ops", operations?.json)
            return object.value
        }
    }

    /// Limits that several disks share.
    public struct RateLimitGroup: Hashable, Sendable {
        /// The name that disks refer to.
        public var id: String
        /// The limits.
        public var limiter: RateLimiter

        /// Creates a group.
        public init(id: String, limiter: RateLimiter) {
            self.id = id
            self.limiter = limiter
        }

        /// The JSON that the API takes.
        public var json: JSONValue { ["id": .string(id), "rate_limiter_config": limiter.json] }
    }
}
