"""Times downloads in turns and prints medians and ratios. Called by contrib/bench/fetch."""

import atexit
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from turns import Contender, race, spend, table

ours, work, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
here = os.path.dirname(os.path.abspath(__file__))
faulty = os.path.join(here, "../../Tests/TestSupport/Registries/faulty_registry.py")
memory = tempfile.mkdtemp(dir="/dev/shm")
atexit.register(shutil.rmtree, memory, ignore_errors=True)


def layout(name, layers, size):
    """An OCI layout of one image with layers of noise; each is its own tar as far as a client can tell."""
    folder = os.path.join(work, name)
    blobs = os.path.join(folder, "blobs/sha256")
    os.makedirs(blobs)

    def blob(pieces, kind):
        # Piece by piece: what this process has in memory would count as the contenders' peak.
        digest, written = hashlib.sha256(), 0
        with open(os.path.join(folder, "new"), "wb") as file:
            for piece in pieces:
                digest.update(piece)
                written += file.write(piece)
        os.rename(file.name, os.path.join(blobs, digest.hexdigest()))
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest.hexdigest()}",
                "size": written}

    described = [blob((os.urandom(1 << 20) for _ in range(size >> 20)), "layer.v1.tar") for _ in range(layers)]
    config = {"os": "linux", "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
              "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in described]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob([json.dumps(config).encode()], "config.v1+json"), "layers": described}
    entry = blob([json.dumps(manifest).encode()], "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    for path, document in [("index.json", {"schemaVersion": 2, "manifests": [entry]}),
                           ("oci-layout", {"imageLayoutVersion": "1.0.0"})]:
        with open(os.path.join(folder, path), "w") as file:
            json.dump(document, file)
    return folder, [layer["digest"] for layer in described]


def serve(*command):
    """Starts a server and returns host and port, as it says them."""
    log = os.path.join(work, f"log{len(os.listdir(work))}")
    process = subprocess.Popen(command, stdout=open(log, "w"), stderr=subprocess.STDOUT)
    atexit.register(process.kill)
    while True:
        time.sleep(0.1)
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)\D", open(log).read()):
            return found[1]


def compare(title, size, contenders):
    def clean():
        shutil.rmtree(os.path.join(memory, "out"), ignore_errors=True)

    race(contenders := [Contender(name, lambda command=command: spend(command), prepare=clean)
                        for name, command in contenders], runs)
    table(title, contenders, size)


print(f"{os.cpu_count()} processors, median of {runs}")
config = os.path.join(work, "registry.yml")
with open(config, "w") as file:
    file.write(f'version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: "{work}/registry" }} }}\n'
               'http:\n  addr: "127.0.0.1:0"\n')
count, size = 8, 64 << 20
folder, digests = layout("eight", count, size)
host = serve("docker-registry", "serve", config)
subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false",
                f"oci:{folder}:latest", f"docker://{host}/bench/eight"], check=True)
urls = [word for digest in digests
        for word in ("-o", "/dev/null", f"http://{host}/v2/bench/eight/blobs/{digest}")]
compare(f"{count} layers of {size >> 20} MiB from docker-registry", count * size, [
    ("slipway, 8 at once", [ours, f"{host}/bench/eight"]),
    ("skopeo copy to a folder", ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false",
                                 f"docker://{host}/bench/eight", f"dir:{memory}/out"]),
    ("curl, 8 at once", ["curl", "--silent", "--no-progress-meter", "--parallel", "--parallel-max", "8", *urls]),
])

size, limit = 192 << 20, 20_000_000
folder, digests = layout("one", 1, size)
faults = os.path.join(work, "faults.json")
with open(faults, "w") as file:
    json.dump([{"kind": "slow", "path": "blobs", "at": limit, "skip": 0, "value": ""}], file)
host = serve("python3", faulty, folder, faults)
compare(f"one layer of {size >> 20} MiB, {limit / 1e6:.0f} MB/s for each connection", size, [
    ("slipway", [ours, f"{host}/bench/one"]),
    ("slipway, one stream", [ours, "--one-stream", f"{host}/bench/one"]),
    ("curl", ["curl", "-s", "-o", "/dev/null", f"http://{host}/v2/bench/one/blobs/{digests[0]}"]),
])
