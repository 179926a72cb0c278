"""See contrib/bench/inbox."""

import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

program, work, drops, files = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
QUICK = 0.3
TICKS = os.sysconf("SC_CLK_TCK")


def binaries(limit):
    """Some megabytes of this machine's programs, as material."""
    chunks, size = [], 0
    for folder in ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/sbin"):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.R_OK):
                with open(path, "rb") as file:
                    chunks.append(file.read(1 << 20))
                size += len(chunks[-1])
            if size >= limit:
                return b"".join(chunks)
    return b"".join(chunks)


MATERIAL = binaries(64 << 20)


def make_tar(path, size, seed):
    """A tar of about so many bytes in files of up to 256 KiB; another for each seed."""
    choice = random.Random(seed)
    with tarfile.open(path, "w") as tar:
        number = 0
        while size > 0:
            length = min(size, choice.choice((200, 3_000, 20_000, 262_144)))
            start = choice.randrange(max(1, len(MATERIAL) - length))
            data = (b"%d %d\n" % (seed, number) + MATERIAL[start:start + length])[:max(length, 16)]
            entry = tarfile.TarInfo(f"usr/lib/part{number // 100}/file{number}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            size -= length
            number += 1


class Agent:
    """An agent on a root of its own."""

    def __init__(self, name, settings):
        self.root = os.path.join(work, name)
        self.inbox = os.path.join(self.root, "inbox")
        os.makedirs(self.inbox)
        self.config = os.path.join(work, name + ".yaml")
        with open(self.config, "w") as file:
            file.write(settings)
        self.log = open(os.path.join(work, name + ".log"), "w")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [program, "agent", "--config", self.config, "--root", self.root], stdout=self.log, stderr=self.log)
        while "the inbox is watched" not in open(self.log.name).read():
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def receipt(self, item):
        return os.path.join(self.root, "receipts", "inbox", item + ".json")


def is_done(path):
    try:
        with open(path) as file:
            return json.load(file)["state"] == "done"
    except (FileNotFoundError, ValueError):
        return False


def durable_copy(source, target):
    subprocess.run(["sha256sum", source], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync", "status=none"], check=True)


class Containerd:
    """A containerd of its own, for its import."""

    def __init__(self):
        self.folder = os.path.join(work, "containerd")
        os.makedirs(self.folder)
        self.socket = os.path.join(self.folder, "socket")
        config = os.path.join(self.folder, "config.toml")
        with open(config, "w") as file:
            file.write(f'version = 2\nroot = "{self.folder}/root"\nstate = "{self.folder}/state"\n'
                       f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{self.socket}"\n')
        self.process = subprocess.Popen(["containerd", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.exists(self.socket):
            time.sleep(0.05)

    def import_archive(self, path):
        result = subprocess.run(
            ["ctr", "-a", self.socket, "image", "import", "--snapshotter", os.environ.get("SNAPSHOTTER", "native"), path],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if result.returncode:
            raise SystemExit(result.stderr.decode())

    def stop(self):
        self.process.terminate()
        self.process.wait()


def archive_of(tar, path, name):
    """The same layer as a docker-archive, which containerd imports."""
    import hashlib
    data = open(tar, "rb").read()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest()]}}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as out:
        for entry_name, content in ((config_name, config), ("layer.tar", data), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(entry_name)
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency():
    agent = Agent("drops", "inbox: { rescan: 1h }\nstore: { reserve: 0 }\n")
    agent.start()
    containerd = None
    if shutil.which("containerd") and shutil.which("ctr"):
        containerd = Containerd()
    else:
        print("containerd is not installed: left out", file=sys.stderr)
    ours, copies, theirs = [], [], []
    for number in range(drops + 1):
        tar = os.path.join(work, "drop.tar")
        make_tar(tar, 5_000_000, number)
        start = time.monotonic()
        durable_copy(tar, os.path.join(work, "copy"))
        copies.append(time.monotonic() - start)
        if containerd:
            archive = os.path.join(work, "archive.tar")
            archive_of(tar, archive, f"localhost/image{number}:1")
            os.sync()
            start = time.monotonic()
            containerd.import_archive(archive)
            theirs.append(time.monotonic() - start)
            os.unlink(archive)
        os.sync()
        item = f"image{number}.tar"
        receipt = agent.receipt(item)
        start = time.monotonic()
        os.rename(tar, os.path.join(agent.inbox, item))
        while not is_done(receipt):
            time.sleep(0.001)
        ours.append(time.monotonic() - start - QUICK)
    agent.stop()
    if containerd:
        containerd.stop()
    print(f"\n5 MB dropped, {drops} times; ms beyond the {QUICK * 1000:.0f} ms of settling")
    print(f"  {'':44} {'median':>8} {'p90':>8} {'p99':>8} {'median':>8}")
    # The first of each starts cold.
    reference = statistics.median(ours[1:])
    rows = [("drop to receipt", ours), ("sha256sum and a durable copy of it", copies)]
    if theirs:
        rows.append(("ctr image import of the same, without settling", theirs))
    for name, values in rows:
        values = values[1:]
        print(f"  {name:44} {statistics.median(values) * 1000:8.0f} {percentile(values, 0.9) * 1000:8.0f} "
              f"{percentile(values, 0.99) * 1000:8.0f} {statistics.median(values) / reference:7.2f}x")


def rescan():
    agent = Agent("many", "inbox: { rescan: 1s, settle: 0s }\nstore: { reserve: 0 }\njobs: { conversions: 2 }\n")
    for number in range(files):
        with tarfile.open(os.path.join(agent.inbox, f"image{number}.tar"), "w") as tar:
            data = b"image %d\n" % number
            entry = tarfile.TarInfo("etc/hostname")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    start = time.monotonic()
    agent.start()
    folder = os.path.join(agent.root, "receipts", "inbox")
    while not os.path.isdir(folder) or len(os.listdir(folder)) < files:
        time.sleep(0.2)
    taken = time.monotonic() - start
    agent.stop()
    agent.start()
    time.sleep(5)
    seconds = 20
    begin = agent.cpu()
    time.sleep(seconds)
    ours = (agent.cpu() - begin) / seconds
    agent.stop()
    finds = []
    for _ in range(5):
        before = os.times()
        subprocess.run(["find", agent.inbox, "-printf", "%i %s %T@ %C@ %f\\n"], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        finds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    print(f"\n{files} files: taken in {taken:.0f} s ({taken / files * 1000:.1f} ms each); a pass when nothing changed, CPU ms")
    print(f"  {'the whole agent, once a second':44} {ours * 1000:8.1f}")
    print(f"  {'find -printf of the same files':44} {statistics.median(finds) * 1000:8.1f} "
          f"{statistics.median(finds) / ours:7.2f}x")


latency()
rescan()
