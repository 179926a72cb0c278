"""Serves an OCI layout as a registry, and misbehaves as it is told: faulty_registry.py LAYOUT FAULTS.json [ACCESS].

A fault is {kind, path, method, skip, times, at, value}. Kinds, `at` being a byte of the body if nothing else is said:
status (at: the status, value: Retry-After), cut (the connection ends), reset (it breaks), stall (it falls silent),
gate (it goes on once there is a file: value),
slow (at: bytes a second), corrupt (a byte differs), length (at: the length that is promised), longer (at: bytes that
follow), ignoreRange (200 to a range), lieRange (other bytes than asked for), noRange (416), redirect (value: URL before
the path), noDigest and wrongDigest (Docker-Content-Digest), endless (a body without end), type (value: Content-Type),
interrupt (100 and 103 before the answer), tunnel (at: the port that CONNECT leads to).
"""
import base64, json, os, re, secrets, socket, struct, sys, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

layout, faults = sys.argv[1], json.load(open(sys.argv[2]))
access = sys.argv[3] if len(sys.argv) > 3 else ""
lock = threading.Lock()
tokens = {}
blobs = {}


def blob(digest):
    """The bytes of a blob, read once: a range of a large one must not cost all of it."""
    path = os.path.join(layout, "blobs", *digest.split(":"))
    if digest not in blobs and os.path.exists(path):
        blobs[digest] = open(path, "rb").read()
    return blobs.get(digest)


def find_manifest(reference):
    """The bytes, type and digest of a tag or digest."""
    index = json.load(open(os.path.join(layout, "index.json")))
    digest = reference
    for entry in index["manifests"]:
        if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == reference:
            digest = entry["digest"]
    if not digest.startswith("sha256:") or (content := blob(digest)) is None:
        return None
    kind = json.loads(content).get("mediaType") or "application/vnd.oci.image.manifest.v1+json"
    return content, kind, digest


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def pick(self):
        with lock:
            for fault in faults:
                if not re.search(fault["path"], self.path) or fault.get("method", self.command) != self.command:
                    continue
                fault["seen"] = fault.get("seen", 0) + 1
                turn = fault["seen"] - fault["skip"]
                if turn > 0 and turn <= fault.get("times", 1 << 60):
                    return fault
        return {"kind": "", "at": 0, "value": ""}

    def answer(self, status, headers={}, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, headers={}):
        body = json.dumps({"errors": [{"code": code, "message": "the tests want it so"}]}).encode()
        self.answer(status, headers, body)

    def hang_up(self):
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def is_let_in(self):
        said = self.headers.get("Authorization", "")
        if access.startswith("basic:"):
            if said == "Basic " + base64.b64encode(access[6:].encode()).decode():
                return True
            self.error(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="a, b", charset="UTF-8"'})
            return False
        if access.startswith("bearer:"):
            with lock:
                left = tokens.get(said.removeprefix("Bearer "), 0)
                if left > 0:
                    tokens[said.removeprefix("Bearer ")] = left - 1
                    return True
            repository = re.sub(r"^/v2/(.*)/(manifests|blobs)/.*", r"\1", self.path)
            realm = f"http://{self.headers['Host']}/token"
            challenge = f'Bearer realm="{realm}",service="tests, all of them",scope="repository:{repository}:pull"'
            self.error(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
            return False
        return True

    def give_token(self):
        token = secrets.token_hex(8)
        with lock:
            tokens[token] = int(access.split(":")[1])
        body = json.dumps({"access_token": token, "expires_in": 300}).encode()
        self.answer(200, {"Content-Type": "application/json"}, body)

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.pick()
        seen = {"method": self.command, "path": self.path, "range": self.headers.get("Range"),
                "authorization": self.headers.get("Authorization"), "host": self.headers.get("Host"),
                "fault": fault["kind"] or None}
        with lock:
            print(json.dumps(seen), flush=True)
        url = urllib.parse.urlparse(self.path)
        kind, at, value = fault["kind"], fault["at"], fault["value"]
        if kind == "status":
            return self.error(at, "TOOMANYREQUESTS" if at == 429 else "UNKNOWN", {"Retry-After": value} if value else {})
        if kind == "redirect":
            return self.answer(307, {"Location": value + self.path})
        if url.path == "/token":
            return self.give_token()
        if not self.is_let_in():
            return
        found = re.match(r"^/(?:v2/)?(.*)/(manifests|blobs)/([^/]*)$", url.path)
        if not found:
            return self.answer(200, {}, b"{}") if url.path == "/v2/" else self.error(404, "NOT_FOUND")
        if found[2] == "manifests":
            document = find_manifest(found[3])
            if document is None:
                return self.error(404, "MANIFEST_UNKNOWN")
            content, media_type, digest = document
        else:
            content, media_type, digest = blob(found[3]), "application/octet-stream", found[3]
            if content is None:
                return self.error(404, "BLOB_UNKNOWN")
        self.serve(content, media_type, digest, kind, at, value)

    do_HEAD = do_POST = do_GET

    def do_CONNECT(self):
        """A proxy that leads every host to one port of this machine."""
        fault = self.pick()
        with lock:
            print(json.dumps({"method": "CONNECT", "path": self.path, "fault": fault["kind"]}), flush=True)
        there = socket.create_connection(("127.0.0.1", fault["at"]))
        self.send_response(200)
        self.end_headers()

        def pump(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        back = threading.Thread(target=pump, args=(there, self.connection), daemon=True)
        back.start()
        pump(self.connection, there)
        back.join()
        self.close_connection = True

    def serve(self, content, media_type, digest, kind, at, value):
        status, first, headers = 200, 0, {"Content-Type": value if kind == "type" else media_type}
        asked = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range") or "")
        if asked and kind == "noRange":
            return self.error(416, "RANGE_INVALID")
        if asked and kind != "ignoreRange":
            first = int(asked[1]) if kind != "lieRange" else max(0, int(asked[1]) - 7)
            last = min(int(asked[2] or len(content) - 1), len(content) - 1)
            if first > last:
                return self.error(416, "RANGE_INVALID")
            status, headers["Content-Range"] = 206, f"bytes {first}-{last}/{len(content)}"
            content = content[first:last + 1]
        if kind == "corrupt":
            content = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1:]
        if kind == "longer":
            content += b"\0" * at
        if kind != "noDigest" and "manifests" in self.path:
            headers["Docker-Content-Digest"] = "sha256:" + "0" * 64 if kind == "wrongDigest" else digest
        if kind == "interrupt":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        self.send_response(status)
        for name, field in headers.items():
            self.send_header(name, field)
        if kind in ("endless", "longer"):
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(at if kind == "length" else len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self.send_body(content, kind, at, value)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send_body(self, content, kind, at, value):
        if kind in ("cut", "reset", "stall"):
            self.wfile.write(content[:at])
            self.wfile.flush()
            if kind == "stall":
                time.sleep(60)
            if kind == "reset":
                time.sleep(0.1)
                return self.hang_up()
            self.close_connection = True
        elif kind == "gate":
            self.wfile.write(content[:at])
            self.wfile.flush()
            while not os.path.exists(value):
                time.sleep(0.01)
            self.wfile.write(content[at:])
        elif kind == "slow":
            for start in range(0, len(content), max(1, at // 20)):
                self.wfile.write(content[start:start + max(1, at // 20)])
                time.sleep(0.05)
        elif kind in ("endless", "longer"):
            pieces = iter(lambda: b" " * 65536, None) if kind == "endless" else [content]
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(content)
            if kind == "length":
                self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


server = Server(("127.0.0.1", 0), Handler)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
