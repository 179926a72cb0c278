"""Gives out tokens that docker-registry believes; everybody may pull from public/..., one user may do everything."""
import argparse, base64, json, os, subprocess, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
for name in ("key", "certificate", "issuer", "service", "user", "password"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--lifetime", type=int, required=True)
options = parser.parse_args()

der = subprocess.check_output(["openssl", "x509", "-in", options.certificate, "-outform", "DER"])


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(claims):
    header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
    text = encoded(json.dumps(header).encode()) + b"." + encoded(json.dumps(claims).encode())
    sign = ["openssl", "dgst", "-sha256", "-sign", options.key]
    return (text + b"." + encoded(subprocess.run(sign, input=text, stdout=subprocess.PIPE, check=True).stdout)).decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        user = None
        if self.headers.get("Authorization", "").startswith("Basic "):
            pair = base64.b64decode(self.headers["Authorization"][6:]).decode()
            if pair != f"{options.user}:{options.password}":
                print("token refused", flush=True)
                return self.answer(401, {"errors": [{"code": "UNAUTHORIZED"}]})
            user = options.user
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, name, actions = scope.split(":")[0], ":".join(scope.split(":")[1:-1]), scope.split(":")[-1].split(",")
            allowed = [a for a in actions if user or (a == "pull" and name.startswith("public/"))]
            access.append({"type": kind, "name": name, "actions": allowed})
        print("token", user or "anonymous", " ".join(query.get("scope", [])), flush=True)
        now = int(time.time())
        token = signed({
            "iss": options.issuer, "sub": user or "", "aud": options.service, "iat": now, "nbf": now - 5,
            "exp": now + options.lifetime, "jti": os.urandom(8).hex(), "access": access,
        })
        self.answer(200, {"token": token, "expires_in": options.lifetime})

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
