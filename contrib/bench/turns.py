"""Contenders in turns: runs them one after the other, round after round, and keeps medians of time and peak memory."""

import os
import statistics
import subprocess
import time


class Contender:
    """Something that is timed: `run` does the work and returns the seconds of its processes and the peak memory of the
    largest, in KiB, and, where not all of it counts, the seconds on the clock; `prepare`, not timed, comes before each
    run."""

    def __init__(self, name, run, prepare=None, size=None):
        self.name = name
        self.run = run
        self.prepare = prepare or (lambda: None)
        self.size = size or (lambda: 0)
        self.walls, self.cpus, self.peaks = [], [], []
        self.bytes = 0

    @property
    def wall(self):
        return statistics.median(self.walls)

    @property
    def cpu(self):
        return statistics.median(self.cpus)

    @property
    def peak(self):
        """The largest process of a run, in MiB."""
        return statistics.median(self.peaks) / 1024


def spend(command, **options):
    """Runs a command and returns the seconds of its processes and the peak memory of the largest, in KiB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    stderr = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command}: {stderr.decode(errors='replace').strip() or process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def race(contenders, rounds, warm=1):
    """Runs all contenders `rounds` times in turns, after `warm` rounds that do not count."""
    for turn in range(rounds + warm):
        for contender in contenders:
            contender.prepare()
            start = time.monotonic()
            cpu, peak, *wall = contender.run()
            wall = wall[0] if wall else time.monotonic() - start
            if turn >= warm:
                contender.walls.append(wall)
                contender.cpus.append(cpu)
                contender.peaks.append(peak)
                contender.bytes = contender.size()


def table(title, contenders, work):
    """Prints the medians; times and sizes also as multiples of the first contender's. `work` is in bytes."""
    first = contenders[0]
    print(f"\n{title}")
    print(f"  {'':48} {'wall s':>8} {'CPU s':>8} {'MB/s':>7} {'peak MiB':>9} {'MB':>8} {'wall':>8} {'CPU':>7} {'size':>7}")
    for one in contenders:
        size = f"{one.bytes / 1e6:8.1f}" if one.bytes else f"{'':8}"
        ratio = f"{one.bytes / first.bytes:6.3f}x" if one.bytes and first.bytes else ""
        print(f"  {one.name:48} {one.wall:8.3f} {one.cpu:8.3f} {work / 1e6 / one.wall:7.0f} {one.peak:9.1f} {size} "
              f"{one.wall / first.wall:7.2f}x {one.cpu / first.cpu:6.2f}x {ratio}", flush=True)
