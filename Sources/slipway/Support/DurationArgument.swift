import ArgumentParser
import Documents

/// A length of time on the command line: with units as in the configuration, or in seconds.
struct DurationArgument: ExpressibleByArgument, Sendable {
    let duration: Duration

    init?(argument: String) {
        if let seconds = UInt32(argument) {
            duration = .seconds(Int64(seconds))
        } else if let duration = DurationText.parse(argument) {
            self.duration = duration
        } else {
            return nil
        }
    }
}
