import Glibc

/// Plain values in one block of memory that grows in place.
///
/// An array doubles by copying, and old and new are resident together; `realloc` moves the pages of a large block
/// instead, so a million records cost no more than their own size.
struct GrowingBuffer<Element: BitwiseCopyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>?
    private var capacity = 0
    private(set) var count = 0

    init() {}

    /// A buffer of `count` copies of one value.
    init(repeating value: Element, count: Int) {
        reserve(count)
        base?.initialize(repeating: value, count: count)
        self.count = count
    }

    deinit { free(base) }

    subscript(index: Int) -> Element {
        get { pointer(to: index).pointee }
        _modify { yield &pointer(to: index).pointee }
    }

    /// The values as one buffer, valid until the next change of the count.
    var elements: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: base, count: count)
    }

    mutating func append(_ value: Element) {
        if count == capacity { reserve(max(64, capacity + capacity / 2)) }
        count += 1
        pointer(to: count - 1).initialize(to: value)
    }

    mutating func append(contentsOf values: UnsafeBufferPointer<Element>) {
        guard let source = values.baseAddress, !values.isEmpty else { return }
        if capacity - count < values.count { reserve(max(count + values.count, capacity + capacity / 2)) }
        let start = count
        count += values.count
        pointer(to: start).initialize(from: source, count: values.count)
    }

    mutating func removeAll() { count = 0 }

    private func pointer(to index: Int) -> UnsafeMutablePointer<Element> {
        precondition(index >= 0 && index < count, "index out of range")
        // A buffer that holds anything has a base.
        return base.unsafelyUnwrapped + index
    }

    private mutating func reserve(_ wanted: Int) {
        guard wanted > capacity else { return }
        guard let memory = realloc(base, wanted * MemoryLayout<Element>.stride) else {
            fatalError("out of memory")
        }
        base = memory.assumingMemoryBound(to: Element.self)
        capacity = wanted
    }
}
