import Documents
import Glibc
import Subprocess
import SystemPackage

/// A program `docker-credential-NAME` that keeps credentials (docker/docker-credential-helpers, "get").
struct CredentialHelper {
    let name: String
    /// Where programs are looked for, as PATH has them.
    let folders: [FilePath]
    let timeout: Duration

    /// Asks for the credentials of a host; nil when the program has none.
    func credentials(for server: String) async throws(RegistryError) -> Credentials? {
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isNameByte) else {
            throw RegistryError(
                .credentials,
                "'\(name)' cannot name a credential helper: write NAME of docker-credential-NAME"
            )
        }
        let program = "docker-credential-\(name)"
        guard let path = folders.map({ $0.appending(program) }).first(where: { access($0.string, X_OK) == 0 })
        else {
            throw RegistryError(
                .credentials,
                "\(program), which has the credentials for \(server), is in none of the folders of PATH"
            )
        }
        let (output, status) = try await run(path, input: server)
        guard status.isSuccess else {
            // The protocol has this text for "I know of none".
            if output.contains("credentials not found") { return nil }
            throw RegistryError(
                .credentials,
                "\(program) failed for \(server): \(Self.printableLine(output))",
                isTransient: true
            )
        }
        let document: Node
        do { document = try Document.parse(Array(output.utf8), file: program, format: .json) } catch {
            // The parser's words would quote the secret.
            throw RegistryError(.credentials, "\(program) answered no JSON for \(server)")
        }
        let user = document.jsonValue["Username"]?.string ?? ""
        let secret = document.jsonValue["Secret"]?.string ?? ""
        guard !secret.isEmpty else { return nil }
        return Credentials(
            secret: user == "<token>"
                ? .identityToken(secret, user: "") : .password(user: user, password: secret),
            origin: program
        )
    }

    private func run(
        _ program: FilePath,
        input: String
    ) async throws(RegistryError) -> (output: String, status: TerminationStatus) {
        do {
            return try await withThrowingTaskGroup(of: (String, TerminationStatus)?.self) { group in
                group.addTask {
                    let question = try Self.filledPipe(input)
                    let result = try await Subprocess.run(
                        .path(program),
                        arguments: ["get"],
                        input: .fileDescriptor(question, closeAfterSpawningProcess: true),
                        output: .string(limit: 1 << 20),
                        error: .discarded
                    )
                    return (result.standardOutput, result.terminationStatus)
                }
                group.addTask {
                    try await Task.sleep(for: timeout)
                    return nil
                }
                // Whoever is left is cancelled, and a cancelled program is killed.
                defer { group.cancelAll() }
                guard let first = try await group.next(), let result = first else {
                    throw RegistryError(
                        .credentials,
                        "\(program) gave no answer within \(DurationText.text(timeout)) and was stopped",
                        isTransient: true
                    )
                }
                return result
            }
        } catch let error as RegistryError {
            throw error
        } catch is CancellationError {
            throw RegistryError(.cancelled, "stopped while \(program) was asked", isTransient: true)
        } catch {
            throw RegistryError(.credentials, "\(program) cannot be run: \(Self.printableLine("\(error)"))")
        }
    }

    /// A pipe that holds the question before anybody reads: a program that exits without reading cannot break it, and
    /// so not end us with SIGPIPE.
    private static func filledPipe(_ text: String) throws -> FileDescriptor {
        let (readEnd, writeEnd) = try FileDescriptor.pipe()
        do {
            try writeEnd.closeAfter { _ = try writeEnd.writeAll(Array("\(text)\n".utf8)) }
            return readEnd
        } catch {
            try readEnd.close()
            throw error
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func printableLine(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "it said nothing"
        return String(line.unicodeScalars.filter { !$0.isControl }.prefix(200).map(Character.init))
    }
}
