"""Times merging a hundred layers in turns and prints medians and ratios. Called by contrib/bench/merge."""

import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile

from turns import Contender, race, spend, table

tools, base, work, runs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
out, tree, overlay = (os.path.join(work, name) for name in ("out.erofs", "tree", "overlay"))


def layer(number, entries):
    """A tar of regular files from names and contents."""
    path = os.path.join(work, f"layer-{number:03}.tar")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def make_layers():
    """Writes the tars above the bottom one."""
    files = []
    with tarfile.open(base) as archive:
        for number, member in enumerate(m for m in archive if m.isreg()):
            content = archive.extractfile(member).read()
            files.append((member.name.removeprefix("./"), content if number % 3 == 0 else None))
    replaced = [(name, content) for name, content in files if content is not None]
    removed = [name for name, content in files[1::60] if content is None]
    whiteouts = [(os.path.join(os.path.dirname(name), ".wh." + os.path.basename(name)), b"") for name in removed]
    small = [[(f"srv/{number}/{index}", f"{number} {index}\n".encode() * 50) for index in range(20)]
             for number in range(97)]
    for number, entries in enumerate([replaced, whiteouts] + small):
        layer(number + 1, entries)


# In a process of its own: what this one has in memory would count as the contenders' peak.
making = multiprocessing.Process(target=make_layers)
making.start()
making.join()
if making.exitcode != 0:
    raise SystemExit("the layers could not be made")
tars = [base] + [os.path.join(work, f"layer-{number:03}.tar") for number in range(1, 100)]
images = [os.path.join(work, f"{number:03}.erofs") for number in range(len(tars))]
for tar, image in zip(tars, images):
    spend([f"{tools}/layer-convert", "--guest-kernel", "6.1", tar, image])


def clean():
    if os.path.exists(out):
        os.unlink(out)
    shutil.rmtree(tree, ignore_errors=True)
    os.mkdir(tree)


def contender(name, run):
    return Contender(name, run, prepare=clean, size=lambda: os.stat(out).st_size)


def unpacked():
    """GNU tar knows no whiteouts: they are made, which costs less than heeding them."""
    cpu = peak = 0
    for tar in tars:
        used = spend(["tar", "-xpf", tar, "-C", tree, "--numeric-owner", "--xattrs"])
        cpu, peak = cpu + used[0], max(peak, used[1])
    make = spend(["mkfs.erofs", "-zlz4", "-C65536", out, tree])
    return cpu + make[0], max(peak, make[1])


def mount():
    """The kernel's overlay of the images; False where it may not be made."""
    folders = []
    try:
        for number, image in enumerate(images):
            folder = os.path.join(work, "mounts", str(number))
            os.makedirs(folder)
            subprocess.run(["mount", "-t", "erofs", "-o", "ro,loop", image, folder], check=True, capture_output=True)
            folders.insert(0, str(number))
        os.makedirs(overlay)
        # A page of options holds a hundred short names, relative to where mount is called.
        subprocess.run(["mount", "-t", "overlay", "-o", "ro,lowerdir=" + ":".join(folders), "overlay", overlay],
                       check=True, capture_output=True, cwd=os.path.join(work, "mounts"))
        return True
    except subprocess.CalledProcessError as error:
        print(f"no overlay here: {error.stderr.decode().strip()}", file=sys.stderr)
        return False


size = sum(map(os.path.getsize, images))
print(f"{len(images)} layers, {size / 1e6:.1f} MB of images, {os.cpu_count()} processors, median of {runs}")
contenders = [contender("slipway", lambda: spend([f"{tools}/layer-merge", *images, out]))]
contenders.append(contender("cp of all images", lambda: spend(["sh", "-c", 'cat "$@" >"$0"', out, *images])))
if mount():
    contenders.append(contender("mkfs.erofs -zlz4 -C65536 over the kernel's overlay",
                                lambda: spend(["mkfs.erofs", "-zlz4", "-C65536", out, overlay])))
contenders.append(contender("tar, mkfs.erofs -zlz4 -C65536", unpacked))
race(contenders, runs)
table("one disk of all layers; MB/s of the layers' images", contenders, size)
clean()
spend([f"{tools}/layer-merge", *images, out])
spend([f"{tools}/image-check", out])
