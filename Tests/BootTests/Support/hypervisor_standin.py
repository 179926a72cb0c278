#!/usr/bin/env python3
"""Stands in for cloud-hypervisor and ch-remote, by the name it is called by.

It speaks the API socket as v51 does (vmm/src/api/http, vmm/src/lib.rs), as far as slipway-vm uses it: it binds only a
path where nothing is; vm.create stores any config, and refuses a second one until vm.delete; vm.boot opens what the
config names and locks the disks (shared for read-only ones), and is where errors come from; the power button is for the
guest to answer; SIGTERM ends the process; a guest that powers off ends it with 0. Errors are arrays of strings.

There is no guest. GUEST says what one would do with the power button: `obeys` within 300 ms, or `ignores`.
"""
import fcntl
import http.client
import http.server
import json
import os
import signal
import socket
import socketserver
import struct
import sys
import threading


class Machine:
    def __init__(self):
        self.config = None
        self.files = []

    def create(self, body):
        if self.config is not None:
            raise ValueError("VM is already created")
        self.config = json.loads(body)

    def boot(self, _):
        if self.config is None:
            raise ValueError("VM is not created")
        if self.files:
            raise ValueError("VM is already booted")
        try:
            payload = self.config["payload"]
            for key in ("kernel", "initramfs"):
                self.files.append(open(payload[key], "rb"))
            for disk in self.config["disks"]:
                self.files.append(self.attach(disk["path"], disk.get("readonly", False)))
        except OSError as error:
            self.files = []
            raise ValueError(f"Cannot boot VM: {error}") from error
        if "vsock" in self.config:
            bound = socket.socket(socket.AF_UNIX)
            bound.bind(self.config["vsock"]["socket"])
            self.files.append(bound)

    @staticmethod
    def attach(path, readonly):
        file = open(path, "rb" if readonly else "r+b")
        kind = fcntl.F_RDLCK if readonly else fcntl.F_WRLCK
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))
        return file

    def delete(self, _):
        self.config, self.files = None, []

    def power_button(self, _):
        if not self.files:
            raise ValueError("VM is not running")
        if os.environ.get("GUEST") == "obeys":
            threading.Timer(0.3, os._exit, [0]).start()


def serve(path):
    machine = Machine()
    calls = {"create": machine.create, "boot": machine.boot, "delete": machine.delete,
             "power-button": machine.power_button}

    class Handler(http.server.BaseHTTPRequestHandler):
        def address_string(self):
            return "api"

        def log_message(self, *_):
            pass

        def answer(self, code, value=None):
            self.send_response(code)
            if value is None:
                return self.end_headers()
            body = json.dumps(value).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/api/v1/vmm.ping":
                self.answer(200, {"version": "v51.0"})
            elif self.path == "/api/v1/vm.info" and machine.config is not None:
                self.answer(200, {"config": machine.config, "state": "Running" if machine.files else "Created"})
            else:
                self.answer(404, ["not found"])

        def do_PUT(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                calls[self.path.removeprefix("/api/v1/vm.")](body)
                self.answer(204)
            except (KeyError, ValueError) as error:
                self.answer(500, ["The operation failed", str(error)])

    with socketserver.UnixStreamServer(path, Handler) as server:
        server.serve_forever()


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def remote(path, command, *arguments):
    connection = Connection(path)
    if command in ("ping", "info"):
        connection.request("GET", f"/api/v1/{'vmm' if command == 'ping' else 'vm'}.{command}")
    else:
        body = open(arguments[0], "rb").read() if arguments else None
        connection.request("PUT", f"/api/v1/vm.{command}", body)
    response = connection.getresponse()
    text = response.read().decode()
    if response.status >= 300:
        sys.exit(f"Error running command: {text}")
    print(text)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        if os.path.basename(sys.argv[0]) == "ch-remote":
            remote(sys.argv[2], *sys.argv[3:])
        else:
            serve(sys.argv[2].removeprefix("path="))
    except OSError as error:
        sys.exit(str(error))
