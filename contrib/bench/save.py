"""Times saving and importing in turns and prints medians and ratios. Called by contrib/bench/save."""

import os
import shutil
import subprocess
import sys

from turns import Contender, race, spend, table

ours, work, size, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
config = os.path.join(work, "config.yaml")
target = os.path.join(work, "out.tar")
with open(config, "w") as file:
    file.write("gc: { unpinnedTTL: 24h }\n")


def slipway(root, *arguments):
    return [ours, "image", *arguments, "--root", os.path.join(work, root), "--config", config]


def skopeo(*arguments):
    return ["skopeo", "--insecure-policy", "copy", "--quiet", *arguments]


def podman(driver, *arguments):
    return ["podman", "--root", f"{work}/podman", "--runroot", f"{work}/podman-run", "--storage-driver", driver, *arguments]


def load():
    """Puts the image into podman and returns the storage driver that works here."""
    for driver in ["overlay", "vfs"]:
        if subprocess.run(podman(driver, "pull", "--quiet", f"oci:{work}/oci:1"), **quiet).returncode == 0:
            name = subprocess.run(podman(driver, "images", "--quiet"), capture_output=True, text=True, check=True)
            return driver, name.stdout.split()[0]
        shutil.rmtree(f"{work}/podman", ignore_errors=True)
    raise SystemExit("podman cannot store the image here")


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


def saving(name, command):
    return Contender(name, lambda: spend(command), lambda: remove(target), lambda: os.path.getsize(target))


def importing(name, archive):
    return Contender(name, lambda: spend(slipway("second", "import", "bench", archive)),
                     lambda: remove(os.path.join(work, "second")))


subprocess.run(skopeo(f"oci:{work}/oci:1", f"oci-archive:{work}/in.tar"), check=True)
subprocess.run(slipway("first", "import", "bench", f"{work}/in.tar"), check=True, **quiet)
driver, image = load()

savers = [
    saving("slipway image save (zstd)", slipway("first", "save", "bench", "--to", target)),
    saving("slipway image save --native", slipway("first", "save", "bench", "--native", "--to", target)),
    saving("slipway image save --compression none",
           slipway("first", "save", "bench", "--compression", "none", "--to", target)),
    saving("slipway image save --compression gzip",
           slipway("first", "save", "bench", "--compression", "gzip", "--to", target)),
    saving(f"podman save --format oci-archive ({driver}, gzip)",
           podman(driver, "save", "--quiet", "--format", "oci-archive", "--output", target, image)),
    saving("skopeo copy, its gzip layers as they are", skopeo(f"oci:{work}/oci:1", f"oci-archive:{target}")),
    saving("skopeo copy --dest-compress-format zstd",
           skopeo("--dest-compress", "--dest-compress-format", "zstd", f"oci:{work}/oci:1", f"oci-archive:{target}")),
]
race(savers, runs)
table(f"saving an image of {size / 1e6:.0f} MB unpacked", savers, size)

for name, flags in [("zstd", []), ("native", ["--native"])]:
    subprocess.run(slipway("first", "save", "bench", *flags, "--to", f"{work}/{name}.tar"), check=True, **quiet)
importers = [importing("slipway image import of --native", f"{work}/native.tar"),
             importing("slipway image import of zstd tars", f"{work}/zstd.tar"),
             importing("slipway image import of the original's gzip tars", f"{work}/in.tar")]
race(importers, runs)
table("importing it into an empty store", importers, size)
