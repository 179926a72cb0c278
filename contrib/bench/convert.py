"""Times layer conversions in turns and prints medians and ratios. Called by contrib/bench/convert."""

import io
import os
import shutil
import sys
import tarfile

from turns import Contender, race, spend, table

ours, tar, work, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
out = os.path.join(work, "out.erofs")
tree = os.path.join(work, "tree")
named = os.environ.get("MKFS_EROFS")


def clean():
    shutil.rmtree(tree, ignore_errors=True)
    os.mkdir(tree)
    if os.path.exists(out):
        os.unlink(out)


def contender(name, run):
    return Contender(name, run, prepare=clean, size=lambda: os.stat(out).st_size)


def slipway(compression, *, jobs=2, kernel="5.15", source=tar):
    command = [ours, "--compression", compression, "--guest-kernel", kernel, "--jobs", str(jobs), source, out]
    return lambda: spend(command)


def mkfs_of_the_machine(*options):
    """mkfs.erofs 1.5 reads folders only: unpacking the tar is part of its work."""
    def run():
        unpack = spend(["tar", "-xpf", tar, "-C", tree, "--numeric-owner", "--xattrs"])
        make = spend(["mkfs.erofs", *options, out, tree])
        return unpack[0] + make[0], max(unpack[1], make[1])
    return run


def mkfs_named(*options):
    return lambda: spend([named, "--tar=f", "--aufs", *options, out, tar])


def group(title, compression, machine, extra, kernels=("5.15",)):
    contenders = [contender(f"slipway for Linux {kernel}, {jobs} job{'s' * (jobs > 1)}",
                            slipway(compression, jobs=jobs, kernel=kernel))
                  for kernel in kernels for jobs in (2, 1)]
    contenders.append(contender(f"mkfs.erofs {' '.join(machine)}, unpacked first", mkfs_of_the_machine(*machine)))
    if named:
        contenders += [contender(f"$MKFS_EROFS {' '.join(options)}", mkfs_named(*options)) for options in extra]
    race(contenders, runs)
    table(title, contenders, os.path.getsize(tar))


def made(name, entries):
    """A tar of empty files by the name of each, but for the few bytes that `entries` give."""
    path = os.path.join(work, name)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in entries:
            member = tarfile.TarInfo(entry)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


print(f"{tar}: {os.path.getsize(tar) / 1e6:.1f} MB, {os.cpu_count()} processors, median of {runs}")
group("uncompressed", "none", [], [["-Enoinline_data", "--sort=none"]])
group("LZ4, clusters of 64 KiB", "lz4,65536", ["-zlz4", "-C65536"],
      [["-zlz4", "-C65536", f"--workers={workers}"] for workers in (1, 2)]
      + [["-zlz4", "-C65536", "-Efragments", "--workers=2"]], kernels=("5.15", "6.1"))
group("LZ4HC level 9, clusters of 4 KiB", "lz4hc,9,4096", ["-zlz4hc"],
      [["-zlz4hc,9", "-C4096", "--workers=2"]])

folder = made("folder.tar", ((f"folder/{number:06}", b"") for number in range(100_000)))
million = made("million.tar", ((f"{number // 1000:04}/{number:07}", b"%d" % number) for number in range(1_000_000)))
rows = [contender("one folder of 100,000 entries", slipway("lz4,65536", kernel="6.1", source=folder)),
        contender("1,000,000 files of 6 bytes", slipway("lz4,65536", kernel="6.1", source=million))]
race(rows, max(1, runs // 2), warm=0)
print(f"\n{'':50} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'bytes an entry':>15}")
for row, count in zip(rows, (100_000, 1_000_000)):
    print(f"{row.name:50} {row.wall:8.3f} {row.cpu:8.3f} {row.peak:9.1f} {row.peak * 1048576 / count:15.0f}")
