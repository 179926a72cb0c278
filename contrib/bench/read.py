"""Times cold reads through the kernel. Called by contrib/bench/read."""

import os
import random
import statistics
import subprocess
import sys
import time

ours, tar, work, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
named = os.environ.get("MKFS_EROFS")


def slipway(compression, kernel):
    return lambda out: subprocess.run([ours, "--compression", compression, "--guest-kernel", kernel, tar, out],
                                      check=True, stdout=subprocess.DEVNULL)


def cocoon(out):
    if named:
        subprocess.run([named, "--tar=f", "--aufs", "-zlz4hc", "-C4096", out, tar], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    else:
        slipway("lz4hc,9,4096", "5.15")(out)


settings = [
    ("LZ4 64 KiB for Linux 6.1 (the default)", slipway("lz4,65536", "6.1")),
    ("LZ4 64 KiB for Linux 5.15", slipway("lz4,65536", "5.15")),
    ("LZ4 16 KiB for Linux 6.1", slipway("lz4,16384", "6.1")),
    ("LZ4HC 3, 64 KiB for Linux 6.1", slipway("lz4hc,3,65536", "6.1")),
    ("cocoon: LZ4HC, 4 KiB", cocoon),
    ("uncompressed", slipway("none", "5.15")),
]


def drop():
    """Forgets what the machine has in its caches, the image's pages among it."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")


def files(mount):
    found = []
    for folder, _, names in sorted(os.walk(mount)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found.append((path, os.path.getsize(path)))
    return found


def read_all(mount, listing):
    total = 0
    for path, _ in listing:
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(1 << 20):
                total += len(piece)
    return total


def read_blocks(mount, listing):
    chooser = random.Random(1)
    weights = [size for _, size in listing]
    for path, size in chooser.choices(listing, weights, k=2000):
        with open(path, "rb", buffering=0) as file:
            os.pread(file.fileno(), 4096, chooser.randrange(max(1, size)))
    return 2000 * 4096


def list_names(mount, listing):
    for folder, folders, names in os.walk(mount):
        for name in folders + names:
            os.lstat(os.path.join(folder, name))
    return 0


def disk_reads(device):
    with open(f"/sys/block/{device}/stat") as file:
        return int(file.read().split()[2]) * 512


print(f"{tar}: {os.path.getsize(tar) / 1e6:.1f} MB, median of {runs}, caches dropped before each")
print(f"{'':40} {'MB':>7} {'all s':>7} {'MB/s':>6} {'read MB':>8} {'2000 blocks s':>14} {'read MB':>8} {'names s':>8}")
mounts = []
for number, (name, make) in enumerate(settings):
    image, mount = os.path.join(work, f"{number}.erofs"), os.path.join(work, f"mount-{number}")
    make(image)
    os.mkdir(mount)
    subprocess.run(["mount", "-t", "erofs", "-o", "loop,ro", image, mount], check=True)
    device = os.path.basename(subprocess.run(["findmnt", "-no", "SOURCE", mount], check=True, capture_output=True,
                                             text=True).stdout.strip())
    mounts.append((name, image, mount, device, files(mount), {}))
for _ in range(runs):
    for name, image, mount, device, listing, seen in mounts:
        for work_done in (read_all, read_blocks, list_names):
            drop()
            before, start = disk_reads(device), time.monotonic()
            total = work_done(mount, listing)
            took = time.monotonic() - start
            seen.setdefault(work_done, []).append((took, disk_reads(device) - before, total))
for name, image, mount, device, listing, seen in mounts:
    time_of = {work_done: statistics.median(one[0] for one in rows) for work_done, rows in seen.items()}
    read_of = {work_done: statistics.median(one[1] for one in rows) for work_done, rows in seen.items()}
    total = seen[read_all][0][2]
    print(f"{name:40} {os.stat(image).st_size / 1e6:7.1f} {time_of[read_all]:7.3f} {total / 1e6 / time_of[read_all]:6.0f} "
          f"{read_of[read_all] / 1e6:8.1f} {time_of[read_blocks]:14.3f} {read_of[read_blocks] / 1e6:8.1f} "
          f"{time_of[list_names]:8.3f}")
    subprocess.run(["umount", mount], check=True)
