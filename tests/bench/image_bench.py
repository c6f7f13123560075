#!/usr/bin/python3
"""image_bench.py [--size MIB] [--rounds N] [--directory DIR] [BUILD] - time and bytes of importing a Vagrant box.

The box has one qcow2 of that size, full of data, half of which gzip can make smaller; the virtual disk is twice as large and sparse.
In each round, one after the other and each into a directory of its own:

  gunzip    gzip -dc BOX >/dev/null: what unpacking alone takes
  tar       tar xzf BOX, then qemu-img convert -O qcow2, then a sync of the result: what people do by hand
  casement  casement-image import BOX

The box is in the page cache. "on disk" is the most that the directory held at any moment, looked at twenty times a second. Medians.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20


def run(*command, **options):
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, **options)


def make_box(directory, size):
    """A box with a qcow2 of so many MiB. Return: its path, and the size of the qcow2."""
    noise = random.Random(1)
    raw = directory / "raw"
    words = b" ".join(noise.randbytes(6).hex().encode() for _ in range(5000))
    with open(raw, "wb") as out:
        for at in range(size):
            out.seek(2 * at * MIB)
            out.write(noise.randbytes(MIB // 2) + (words * 10)[at % 60000:][:MIB // 2])
        out.truncate(2 * size * MIB)
        out.seek(510)
        out.write(b"\x55\xaa")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, directory / "box.img")
    raw.unlink()
    (directory / "metadata.json").write_text(json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": 2 * size // 1024 + 1}))
    box = directory / "windows.box"
    run("tar", "cf", box, "-I", "gzip -1", "-C", directory, "metadata.json", "box.img")
    bytes_ = (directory / "box.img").stat().st_size
    (directory / "box.img").unlink()
    return box, bytes_


def held(directory):
    total = 0
    for path, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


class Peak:
    """The most that a directory held."""

    def __init__(self, directory):
        self.directory, self.most, self.over = directory, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, held(self.directory))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.most = max(self.most, held(self.directory))


def by_hand(box, room):
    run("tar", "xzf", box, "-C", room)
    run("qemu-img", "convert", "-O", "qcow2", room / "box.img", room / "windows.qcow2")
    run("sync", room / "windows.qcow2")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default=os.environ.get("CASEMENT_BUILD", TOP / "build"))
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", default="/var/tmp")
    options = parser.parse_args()
    program = pathlib.Path(options.build).resolve() / "image/casement-image"
    ways = {
        "gunzip": lambda box, room: run("gzip", "-dc", box, stdout=subprocess.DEVNULL),
        "tar": by_hand,
        "casement": lambda box, room: run(program, "--config", box.parent / "conf", "import", box, "--output", room / "windows.qcow2",
                                          stderr=subprocess.DEVNULL),
    }
    results = {name: [] for name in ways}
    with tempfile.TemporaryDirectory(prefix="image-bench.", dir=options.directory) as name:
        directory = pathlib.Path(name)
        box, size = make_box(directory, options.size)
        (directory / "conf").touch()
        print(f"a box of {box.stat().st_size / MIB:.0f} MiB with a qcow2 of {size / MIB:.0f} MiB; load {os.getloadavg()[0]:.1f}", flush=True)
        for turn in range(options.rounds):
            for way in list(ways)[turn % len(ways):] + list(ways)[:turn % len(ways)]:
                room = directory / way
                room.mkdir()
                os.sync()
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                begin = time.monotonic()
                with Peak(room) as peak:
                    ways[way](box, room)
                    duration = time.monotonic() - begin
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                results[way].append((duration, cpu, peak.most / MIB))
                print(f"  {turn + 1} {way:9} {duration:6.1f} s, CPU {cpu:6.1f} s, on disk {peak.most / MIB:6.0f} MiB", flush=True)
                shutil.rmtree(room)
    print(f"{'':10} {'seconds':>8} {'CPU':>8} {'on disk, MiB':>13}")
    for way, rows in results.items():
        print(f"{way:10} {statistics.median(row[0] for row in rows):8.1f} {statistics.median(row[1] for row in rows):8.1f} "
              f"{statistics.median(row[2] for row in rows):13.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
