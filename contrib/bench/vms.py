"""Many VMs: first configs, passes that find nothing, and one changed request."""

import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tarfile
import time

slipway, work, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
root = f"{work}/root"
DISK = "1GiB"
LAYERS = 3
TICK = os.sysconf("SC_CLK_TCK")


def tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def kernel():
    """The head of a 64-bit bzImage (Documentation/arch/x86/boot.rst): enough to be taken for one."""
    image = bytearray(4096)
    image[0x1F1] = 1
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = (0x020F).to_bytes(2, "little")
    image[0x236] = 1
    return bytes(image)


def prepare():
    os.makedirs(f"{root}/inbox/base.image", exist_ok=True)
    for layer in range(LAYERS):
        tar(f"{root}/inbox/base.image/{layer}.tar", {f"file-{layer}": b"content", "sbin/init": b"#!/bin/sh\n"})
    with open(f"{root}/inbox/base.image/layers", "w") as file:
        file.writelines(f"{layer}.tar\n" for layer in range(LAYERS))
    with open(f"{work}/vmlinuz", "wb") as file:
        file.write(kernel())
    with open(f"{work}/initramfs", "wb") as file:
        # An empty cpio archive (newc): nothing but its last entry, named in 11 bytes.
        fields = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0]
        file.write(b"070701" + b"".join(b"%08X" % field for field in fields) + b"TRAILER!!!\0\0\0\0")
    with open(f"{work}/config.yaml", "w") as file:
        file.write(
            f"root: {root}\ninbox: {{ settle: 300ms, rescan: 1h }}\nstore: {{ reserve: 1GiB }}\n"
            f"boot: {{ profiles: {{ default: {{ kernel: {work}/vmlinuz, initramfs: {work}/initramfs }} }} }}\n"
        )
    run("agent", "--once", "--timeout", "60s")
    os.makedirs(f"{root}/requests", exist_ok=True)
    for number in range(count):
        write_request(number, 1)


def write_request(number, cpus):
    name = f"vm-{number:05}"
    with open(f"{work}/request", "w") as file:
        json.dump({"image": "base", "cpus": cpus, "disk": {"size": DISK}, "nets": [{}]}, file)
    os.rename(f"{work}/request", f"{root}/requests/{name}.json")
    return f"{root}/vms/{name}/config.json"


def run(*arguments):
    command = [slipway, *arguments, "--config", f"{work}/config.yaml", "--log-level", "error"]
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def configs():
    vms = f"{root}/vms"
    return sum(os.path.exists(f"{vms}/{name}/config.json") for name in os.listdir(vms))


def first_renders():
    start = time.monotonic()
    done = run("agent", "--once", "--timeout", "20m")
    seconds = time.monotonic() - start
    made = configs()
    if made != count:
        raise SystemExit(f"{made} of {count} configs: {done.stderr.decode()[-2000:]}")
    return seconds


def scripted(disks):
    """What a script does: one mke2fs, one fsync of the disk, one of its folder."""
    folder = f"{work}/scripted"
    start = time.monotonic()
    for number in range(disks):
        os.makedirs(f"{folder}/{number}")
        path = f"{folder}/{number}/cow.raw"
        with open(path, "w") as file:
            file.truncate(1 << 30)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", path], check=True)
        for name in (path, os.path.dirname(path)):
            descriptor = os.open(name, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    return (time.monotonic() - start) / disks


def bare_look():
    """The system calls of looking at every request, disk and config, without anything else."""
    start = time.process_time()
    for folder, files in ((f"{root}/requests", ("",)), (f"{root}/vms", ("/cow.raw", "/config.json"))):
        for name in os.listdir(folder):
            if not name.startswith("."):
                for file in files:
                    os.stat(f"{folder}/{name}{file}")
    return time.process_time() - start


def cpu(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def quiet(process):
    """Waits until the agent has spent no time for a while."""
    last, since = cpu(process), time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.1)
        if cpu(process) != last:
            last, since = cpu(process), time.monotonic()
    return last


def unchanged_pass(process, passes):
    before = quiet(process)
    for _ in range(passes):
        # Who wants a pass opens and closes the agent's lock file.
        with open(f"{root}/agent.lock", "r+"):
            pass
        time.sleep(0.5)
    return (quiet(process) - before) / passes


def changed_request(number):
    path = f"{root}/vms/vm-{number:05}/config.json"
    old = os.stat(path).st_ino
    start = time.monotonic()
    write_request(number, 2)
    while os.stat(path).st_ino == old:
        if time.monotonic() - start > 30:
            raise SystemExit(f"{path} did not change")
    return time.monotonic() - start


def main():
    prepare()
    seconds = first_renders()
    per_disk = scripted(min(count, 200))
    print(f"{count} VMs of {LAYERS} layers with a disk of {DISK} each\n")
    print(f"first configs and disks, all durable   {seconds:8.1f} s   {count / seconds:8.0f} a second")
    print(f"mke2fs and fsync for the disks alone   {per_disk * count:8.1f} s   {1 / per_disk:8.0f} a second"
          f"   {per_disk * count / seconds:6.1f} times as long")
    process = subprocess.Popen(
        [slipway, "agent", "--config", f"{work}/config.yaml", "--log-level", "error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(2)
        quiet(process)
        idle = unchanged_pass(process, 20)
        look = statistics.median(bare_look() for _ in range(5))
        print(f"CPU of a pass that finds nothing new   {idle * 1000:8.0f} ms")
        print(f"CPU of the bare looks at all files     {look * 1000:8.0f} ms{'':21}{idle / look:6.1f} times as much")
        latencies = []
        for number in range(21):
            latencies.append(changed_request(number * (count // 21)))
            quiet(process)
        print(f"a changed request until its config     {statistics.median(latencies) * 1000:8.1f} ms"
              f"   (longest {max(latencies) * 1000:.1f} ms)")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


main()
