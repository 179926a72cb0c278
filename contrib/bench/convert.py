"""Times layer conversions in turns and prints medians and ratios. Called by contrib/bench/convert."""

import os
import shutil
import statistics
import subprocess
import sys
import time

ours, tar, work, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
size = os.path.getsize(tar)
out = os.path.join(work, "out.erofs")
tree = os.path.join(work, "tree")
named = os.environ.get("MKFS_EROFS")


def mkfs_of_the_machine(*options):
    """mkfs.erofs 1.5 reads folders only: unpacking the tar is part of its work."""
    def run():
        subprocess.run(["tar", "-xpf", tar, "-C", tree, "--numeric-owner", "--xattrs"], check=True)
        quiet(["mkfs.erofs", *options, out, tree])
    return run


def quiet(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def slipway(compression, jobs):
    return lambda: quiet([ours, "--compression", compression, "--jobs", str(jobs), tar, out])


def mkfs_named(*options):
    return lambda: quiet([named, "--tar=f", "--aufs", *options, out, tar])


groups = [
    ("uncompressed", ["none"], [("mkfs.erofs, unpacked first", mkfs_of_the_machine())],
     [("$MKFS_EROFS --sort=none", ["-Enoinline_data", "--sort=none"])]),
    ("lz4, clusters of 64 KiB", ["lz4,65536"], [("mkfs.erofs -zlz4 -C65536, unpacked first", mkfs_of_the_machine("-zlz4", "-C65536"))],
     [("$MKFS_EROFS -zlz4 -C65536 --workers=1", ["-zlz4", "-C65536", "--workers=1"]),
      ("$MKFS_EROFS -zlz4 -C65536 --workers=2", ["-zlz4", "-C65536", "--workers=2"])]),
    ("lz4hc level 9, clusters of 4 KiB", ["lz4hc,9,4096"], [("mkfs.erofs -zlz4hc, unpacked first", mkfs_of_the_machine("-zlz4hc"))],
     [("$MKFS_EROFS -zlz4hc,9 -C4096 --workers=2", ["-zlz4hc,9", "-C4096", "--workers=2"])]),
]

print(f"{tar}: {size / 1e6:.1f} MB, {os.cpu_count()} processors, median of {runs}")
for title, compressions, machine, extra in groups:
    contenders = [(f"slipway, {jobs} job{'s' * (jobs > 1)}", slipway(compressions[0], jobs)) for jobs in (1, 2)]
    contenders += machine
    if named:
        contenders += [(name, mkfs_named(*options)) for name, options in extra]
    walls = {name: [] for name, _ in contenders}
    cpus = {name: [] for name, _ in contenders}
    sizes = {}
    for turn in range(runs + 1):
        for name, run in contenders:
            shutil.rmtree(tree, ignore_errors=True)
            os.mkdir(tree)
            if os.path.exists(out):
                os.unlink(out)
            before, start = os.times(), time.monotonic()
            run()
            wall, after = time.monotonic() - start, os.times()
            if turn == 0:
                continue
            walls[name].append(wall)
            cpus[name].append(after.children_user + after.children_system
                              - before.children_user - before.children_system)
            sizes[name] = os.stat(out).st_size
    print(f"\n{title}")
    print(f"  {'':44} {'wall s':>8} {'CPU s':>8} {'MB/s':>8} {'MB':>8} {'time':>7} {'size':>7}")
    reference = contenders[0][0]
    for name, _ in contenders:
        wall = statistics.median(walls[name])
        print(f"  {name:44} {wall:8.3f} {statistics.median(cpus[name]):8.3f} {size / 1e6 / wall:8.0f} "
              f"{sizes[name] / 1e6:8.1f} {wall / statistics.median(walls[reference]):6.2f}x "
              f"{sizes[name] / sizes[reference]:6.3f}x")
