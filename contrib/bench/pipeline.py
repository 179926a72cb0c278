"""Times the way from a compressed tar to a blob. Called by contrib/bench/pipeline."""

import os
import shlex
import shutil
import subprocess
import sys

from turns import Contender, race, spend, table

ours, source, work, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
named = os.environ.get("MKFS_EROFS")
out = os.path.join(work, "out.erofs")
tree = os.path.join(work, "tree")
plain = os.path.join(work, "plain.tar")
with open(plain, "wb") as file:
    subprocess.run(["gzip", "-dc", source], stdout=file, check=True)
size = os.path.getsize(plain)


def clean():
    shutil.rmtree(tree, ignore_errors=True)
    os.mkdir(tree)
    if os.path.exists(out):
        os.unlink(out)


def shell(script):
    return lambda: spend(["bash", "-euo", "pipefail", "-c", script])


def blob(name, run):
    return Contender(name, run, prepare=clean, size=lambda: os.stat(out).st_size)


q = shlex.quote
hashed = f"tee >(sha256sum > {q(work)}/digest) < {q(source)} | gzip -dc | tee >(sha256sum > {q(work)}/diffid)"
if named:
    cocoon = blob("gzip, sha256sum, $MKFS_EROFS -zlz4hc -C4096",
                  shell(f"{hashed} | {q(named)} --tar=f --aufs -zlz4hc -C4096 {q(out)} /dev/stdin"))
else:
    cocoon = blob("gzip, sha256sum, tar, mkfs.erofs -zlz4hc -C4096",
                  shell(f"{hashed} | tar -xp -C {q(tree)} --numeric-owner --xattrs; "
                        f"mkfs.erofs -zlz4hc -C4096 {q(out)} {q(tree)}"))


def slipway(compression, kernel):
    return lambda: spend([ours, "--compression", compression, "--guest-kernel", kernel, source, out])


print(f"{source}: {os.path.getsize(source) / 1e6:.1f} MB, {size / 1e6:.1f} MB unpacked, {os.cpu_count()} processors, "
      f"median of {runs}")
contenders = [blob("slipway, LZ4 64 KiB for Linux 6.1 (the default)", slipway("lz4,65536", "6.1")),
              blob("slipway, LZ4 64 KiB for Linux 5.15", slipway("lz4,65536", "5.15")),
              blob("slipway, uncompressed", slipway("none", "5.15")),
              cocoon]
race(contenders, runs)
table("from .tar.gz to a blob, both digests", contenders, size)

blob_of_ours = os.path.join(work, "ours.erofs")
subprocess.run([ours, "--compression", "lz4,65536", "--guest-kernel", "6.1", source, blob_of_ours], check=True,
               stdout=subprocess.DEVNULL)
limits = [Contender("igzip -dc", shell(f"igzip -dc {q(source)} > /dev/null")),
          Contender("openssl dgst -sha256, compressed", shell(f"openssl dgst -sha256 {q(source)}")),
          Contender("openssl dgst -sha256, uncompressed", shell(f"openssl dgst -sha256 {q(plain)}")),
          Contender("lz4 -1 (to nowhere)", shell(f"lz4 -1 -q -c {q(plain)} > /dev/null")),
          Contender("cat, the blob into a file", shell(f"cat {q(blob_of_ours)} > {q(out)}"), prepare=clean)]
race(limits, runs)
table("the steps by themselves", limits, size)
steps = sum(one.cpu for one in limits)
print(f"\ntogether {steps:.2f} s, on {os.cpu_count()} processors {steps / os.cpu_count():.2f} s at best; "
      f"slipway takes {contenders[0].wall / (steps / os.cpu_count()):.2f} times that, "
      f"cocoon's pipeline {contenders[3].wall / contenders[0].wall:.1f} times slipway")
