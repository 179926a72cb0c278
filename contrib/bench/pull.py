"""Times pulls in turns and prints medians and ratios. Called by contrib/bench/pull."""

import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import time

from turns import Contender, race, spend, table

ours, layout, work, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
mkfs = os.environ.get("MKFS_EROFS")
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
scratch = os.path.join(work, "scratch")


def start_registry():
    config = os.path.join(work, "registry.yml")
    with open(config, "w") as file:
        file.write(f"""version: 0.1
log: {{ level: info }}
storage: {{ filesystem: {{ rootdirectory: {work}/registry }} }}
http: {{ addr: "127.0.0.1:0" }}
""")
    log = open(os.path.join(work, "registry.log"), "w+")
    process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
    while not (found := re.search(r"listening on (127\.0\.0\.1:\d+)", open(log.name).read())):
        time.sleep(0.05)
    return process, found[1]


def push(source, name):
    subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", source,
                    f"docker://{host}/{name}"], check=True)


def eight_layers():
    """An OCI layout of one image with eight layers of 24 MB each, half of it compressible."""
    path = os.path.join(work, "eight")
    blobs = os.path.join(path, "blobs", "sha256")
    os.makedirs(blobs)
    source = random.Random(1)

    def blob(content, kind):
        digest = hashlib.sha256(content).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    layers, diff_ids = [], []
    for number in range(8):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for part in range(24):
                content = source.randbytes(1 << 19) + bytes(range(256)) * 2048
                info = tarfile.TarInfo(f"layer{number}-{part}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        diff_ids.append("sha256:" + hashlib.sha256(buffer.getvalue()).hexdigest())
        layers.append(blob(gzip.compress(buffer.getvalue(), 1), "application/vnd.oci.image.layer.v1.tar+gzip"))
    config = json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": blob(config, "application/vnd.oci.image.config.v1+json"),
                           "layers": layers}).encode()
    entry = blob(manifest, "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    with open(os.path.join(path, "index.json"), "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, file)
    with open(os.path.join(path, "oci-layout"), "w") as file:
        file.write('{"imageLayoutVersion":"1.0.0"}')


def slipway(root, name="bench/vm", config="jobs: { downloads: 6 }\n"):
    file = os.path.join(work, "config.yaml")
    with open(file, "w") as out:
        out.write(config)
    return spend([ours, "image", "pull", f"{host}/{name}:1", "--root", root, "--config", file])


def first_pull(folder):
    return slipway(folder)


def skopeo(folder):
    return spend(["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", f"docker://{host}/bench/vm:1",
                f"oci:{folder}/out:vm"])


def podman(folder):
    return spend(["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", driver,
                "pull", "--quiet", "--tls-verify=false", f"{host}/bench/vm:1"])


def containerd(folder):
    """The daemon's part counts as well."""
    config = os.path.join(folder, "config.toml")
    with open(config, "w") as file:
        file.write(f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
                   f'[grpc]\naddress = "{folder}/sock"\n')
    daemon = subprocess.Popen(["containerd", "-c", config], **quiet)
    try:
        while subprocess.run(["ctr", "-a", f"{folder}/sock", "version"], **quiet).returncode:
            time.sleep(0.05)

        def seconds():
            fields = open(f"/proc/{daemon.pid}/stat").read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before = seconds()
        start = time.monotonic()
        cpu, memory = spend(["ctr", "-a", f"{folder}/sock", "images", "pull", "--plain-http", "--snapshotter",
                             snapshotter, f"{host}/bench/vm:1"])
        wall = time.monotonic() - start
        peak = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{daemon.pid}/status").read())[1])
        return cpu + seconds() - before, memory + peak, wall
    finally:
        daemon.terminate()
        daemon.wait()


def cocoon(folder):
    digests = [layer["digest"] for layer in manifest["layers"]]
    steps = []
    for number, digest in enumerate(digests):
        fetch = f"curl -sf http://{host}/v2/bench/vm/blobs/{digest} | gzip -dc"
        out = f"{folder}/{number}.erofs"
        if mkfs:
            steps.append(f"{fetch} | {mkfs} --tar=f -zlz4hc -C4096 -T0 {out}")
        else:
            tree = f"{folder}/{number}"
            steps.append(f"mkdir {tree} && {fetch} | tar -xp -C {tree} --numeric-owner --xattrs "
                         f"&& mkfs.erofs -zlz4hc -C4096 -T0 {out} {tree}")
    return spend(["bash", "-euo", "pipefail", "-c", "\n".join(steps)])


def fresh():
    subprocess.run(["rm", "-rf", scratch], check=True)
    os.makedirs(scratch)
    os.sync()
    return scratch


def taken():
    """The bytes that the scratch folder takes on the disk."""
    return int(subprocess.run(["du", "-sk", scratch], capture_output=True, text=True).stdout.split()[0]) << 10


def tries(*commands):
    """The last word of the first command that works."""
    for command, word in commands:
        try:
            command(fresh(), word)
            return word
        except (SystemExit, OSError):
            continue
    return None


def try_podman(folder, word):
    global driver
    driver = word
    podman(folder)


def try_containerd(folder, word):
    global snapshotter
    snapshotter = word
    containerd(folder)


registry, host = start_registry()
try:
    push(f"oci:{layout}:vm", "bench/vm:1")
    # In a process of its own: a child's peak memory counts from what its parent had when it was started.
    if (child := os.fork()) == 0:
        eight_layers()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit("the image of eight layers cannot be made")
    push(f"oci:{work}/eight:1", "bench/eight:1")
    manifest = json.loads(subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false",
                                          f"docker://{host}/bench/vm:1"], check=True, capture_output=True).stdout)
    fetched = sum(layer["size"] for layer in manifest["layers"])
    driver = tries((try_podman, "overlay"), (try_podman, "vfs"))
    snapshotter = tries((try_containerd, "overlayfs"), (try_containerd, "native"))
    contenders = [("slipway", first_pull), ("skopeo copy, not unpacked", skopeo)]
    if driver:
        contenders.append((f"podman pull, {driver}", podman))
    if snapshotter:
        contenders.append((f"ctr image pull, {snapshotter}", containerd))
    contenders.append((f"cocoon: curl|gzip|{'$MKFS_EROFS' if mkfs else 'tar, mkfs.erofs'} lz4hc", cocoon))
    contenders = [Contender(name, lambda pull=pull: pull(scratch), prepare=fresh, size=taken) for name, pull in contenders]
    race(contenders, runs)
    print(f"{len(manifest['layers'])} layers, {fetched / 1e6:.0f} MB as fetched, {os.cpu_count()} processors, "
          f"median of {runs}")
    table("an image from docker-registry; MB on the disk", contenders, fetched)

    folder = fresh()
    slipway(folder)
    lines = open(os.path.join(work, "registry.log")).read().count("\"GET /v2/") + \
        open(os.path.join(work, "registry.log")).read().count("\"HEAD /v2/")
    again = Contender("again", lambda: slipway(folder))
    race([again], 11, warm=0)
    log = open(os.path.join(work, "registry.log")).read()
    requests = (log.count("\"GET /v2/") + log.count("\"HEAD /v2/") - lines) / len(again.walls)
    print(f"\nthe same again, nothing changed: {again.wall * 1000:.0f} ms, {again.cpu * 1000:.0f} ms CPU, "
          f"{requests:.0f} request")

    eight = Contender("eight", lambda: slipway(scratch, "bench/eight", "jobs: { downloads: 8 }\n"), prepare=fresh)
    race([eight], 3, warm=0)
    print(f"eight layers of 24 MB in flight at once: {eight.peak:.0f} MiB peak memory")
finally:
    registry.terminate()
    registry.wait()
    shutil.rmtree(scratch, ignore_errors=True)
