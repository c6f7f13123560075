#!/usr/bin/env python3
"""Warm clones beside cold boots of the same image: how long until they answer, and what each of them costs.

    tests/bench/clone_bench.py [--clones 6] [--rounds 3] [--image casement] [--fill 2300]

A guest is frozen once for each of libvirt's image formats that the image can write; raw is what casement uses; and once with gigabytes
of memory. Then, in each round: one cold boot, one clone, one clone whose state is in no cache, as many clones at once as asked for,
one of each other format, one of the large state; and beside them what none of them can be without: a container that does nothing, the
state read by cat, and `virsh restore` of it in a container whose daemons run already. The guest is mini under TCG. Needs a Docker
Engine and casement's image (scripts/demo makes it).

Memory that a hypervisor has not handed out yet costs ten times as much as other memory at its first touch. So before each start as much is
touched and given back.
"""
import argparse
import contextlib
import datetime
import mmap
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
# pylint: disable=wrong-import-position
import harness
import many_bench
import start_bench

FORMATS = ("raw", "sparse", "gzip")
# Not /dev/kvm: where that does not work, libvirtd asks QEMU anew each time what it can do.
DEVICES = ("/dev/net/tun",)
# MB of memory that the guest fills, so that loading its state is more than starting a QEMU.
FILL = 128
MEMORY = 256
# Of the large one, beside what is filled.
ROOM = 700
STATE = "images/windows.qcow2.frozen-1/state"
# How often the large state is read at once, where its format allows that.
CHANNELS = 4


@contextlib.contextmanager
def image_with_format(image, kind):
    """@image, whose libvirtd writes states in another format."""
    name = f"{harness.PREFIX}-format-{kind}"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as context:
        pathlib.Path(context, "Dockerfile").write_text(
            f"FROM {image}\nLABEL {harness.LABEL}={os.getpid()}\n"
            f"RUN echo 'save_image_format = \"{kind}\"' >>/etc/libvirt/qemu.conf\n", encoding="ascii")
        harness.docker("build", "-q", "--network", "none", "-t", name, context, timeout=600)
    try:
        yield name
    finally:
        harness.docker("rmi", "-f", name, check=False)


def fill(container, megabytes):
    with container.connect(9, timeout=600) as connection:
        connection.sendall(f"fill {megabytes}\n".encode())
        if connection.recv(99).strip() != b"ok":
            raise RuntimeError("the guest has no room for what it is to be filled with")


@contextlib.contextmanager
def frozen(network, image, kind, values, *, label=None, memory=MEMORY, megabytes=FILL):
    """An image of warm clones of @image, whose state is of format @kind."""
    label = label or kind
    name = f"{harness.PREFIX}-warm-{label}"
    with image_with_format(image, kind) as formatted, many_bench.containers(
            network, formatted, 1, DEVICES, CASEMENT_GUEST_MEMORY=f"{memory}M") as (original,):
        original.start().wait_ready()
        fill(original, megabytes)
        begin = time.monotonic()
        harness.docker("exec", original.name, "casementctl", "freeze", timeout=300, check=False)
        original.wait_exit(300)
        values[f"freeze, {label}"] = [time.monotonic() - begin]
        harness.docker("commit", original.name, name, timeout=300)
        try:
            values[f"state, {label}"] = [state_of(name).stat().st_blocks * 512 / 1e6]
            yield name
        finally:
            original.remove()
            harness.docker("rmi", "-f", name, check=False)


def state_of(image):
    """The state's file, where Docker keeps the image's last layer."""
    return pathlib.Path(harness.docker("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", image), STATE)


def drop_cache(path):
    with open(path, "rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path):
    begin = time.monotonic()
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


def read_into_memory(path):
    """What loading cannot be without: the file's bytes in memory that nobody has had."""
    size = path.stat().st_size
    with touched(size >> 20):
        pass
    begin = time.monotonic()
    with huge(size) as memory, open(path, "rb", buffering=0) as file, memoryview(memory) as view:
        at = 0
        while at < size:
            at += file.readinto(view[at:at + (1 << 20)])
    return time.monotonic() - begin


def stamp(container, words):
    """When the log had a line with @words, in seconds."""
    for line in harness.docker("logs", "-t", container.name).splitlines():
        if words in line:
            # Nanoseconds are more than datetime takes.
            text = re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", line.split()[0])
            return datetime.datetime.fromisoformat(text).timestamp()
    raise RuntimeError(f"no line has {words}: {container.logs()}")


@contextlib.contextmanager
def huge(size):
    """Memory as QEMU asks for it."""
    with mmap.mmap(-1, size) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        yield memory


@contextlib.contextmanager
def touched(megabytes):
    """Let the hypervisor hand out memory, and keep it until the end of the block."""
    with huge(megabytes << 20) as memory:
        for at in range(0, len(memory), mmap.PAGESIZE):
            memory[at] = 1
        yield


def answer_times(made, memory=MEMORY):
    """Start all; for each the time from then until its RDP answers."""
    with touched(memory * len(made)):
        begin = time.monotonic()
        many_bench.start_all(made)
    waiting = {container.address: container for container in made}
    answered = []
    while waiting:
        for address in list(waiting):
            if start_bench.answers(address):
                answered.append(time.monotonic() - begin)
                del waiting[address]
        if time.monotonic() - begin > 600:
            raise RuntimeError("not all answer: " + next(iter(waiting.values())).logs())
        time.sleep(0.005)
    return answered


def one(network, image, key, values, start, memory=MEMORY):
    with many_bench.containers(network, image, 1, DEVICES, CASEMENT_GUEST_MEMORY=f"{memory}M") as made:
        values.setdefault(key, []).extend(answer_times(made, memory))
        container, = made
        container.wait_ready()
        if container.status()["guest"]["start"] != start:
            raise RuntimeError(f"it did not start {start}: {container.logs()}")
        if start == "warm":
            values.setdefault(f"{key}: loading", []).append(
                stamp(container, "goes on from the frozen one") - stamp(container, "resuming the guest from the frozen one"))


def several(network, image, n, values):
    with many_bench.containers(network, image, n, DEVICES) as made:
        answered = answer_times(made)
        values.setdefault("first of the clones answers", []).append(answered[0])
        values.setdefault("all clones answer", []).append(answered[-1])
        for container in made:
            container.wait_ready(300)
            memory = start_bench.measure_memory(container, start_bench.guest_process(container.pid))
            values.setdefault("PSS all but QEMU, clone", []).append(memory["PSS all but QEMU"])
            values.setdefault("private, all but QEMU, clone", []).append(sum(
                private(pid) for pid in start_bench.processes(container.pid) if pid != container.qemu))
            values.setdefault("volume of a clone that answers", []).append(many_bench.on_disk(container.storage) / 1e3)
            values.setdefault("container's layer of it", []).append(many_bench.layer(container) / 1e3)


def private(pid):
    """kB that no other process has."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Private"))


def nothing(network, image, values):
    """A container that has nothing to do, from `docker start` until it does it."""
    # The time of day ends up in a file: what `docker start` does afterwards is no part of it.
    container = harness.Container(network, image=image, devices=DEVICES, options=("--entrypoint", "touch"), command=("/storage/here",))
    try:
        begin = time.time()
        container.start().wait_exit()
        values.setdefault("docker start of nothing", []).append((container.storage / "here").stat().st_mtime - begin)
    finally:
        container.remove()


LABORATORY = """
casement-netfw up && virtlogd --daemon && libvirtd --daemon && cd /images/windows.qcow2.frozen-1 &&
cp disk.qcow2 /storage/windows.qcow2 && chmod 666 /storage/windows.qcow2
"""
RESTORE = """
virsh --quiet save-image-dumpxml --security-info "$1" >/storage/xml || exit
begin=$(date +%s%N)
virsh --quiet --keepalive-interval 0 restore --paused "$@" >&2 || exit
echo $(($(date +%s%N) - begin))
"""


@contextlib.contextmanager
def laboratory(network, image):
    """A container of warm clones where the daemons run, and nothing else."""
    container = harness.Container(network, image=image, devices=DEVICES, options=("--init", "--entrypoint", "sleep"), command=("infinity",))
    try:
        container.start()
        inside(container, LABORATORY)
        yield container
    finally:
        container.remove()


def inside(container, script, *arguments):
    return harness.docker("exec", container.name, "sh", "-c", script, "sh", *arguments, timeout=300)


def by_hand(container, key, values, memory, cold, *options, state=f"/{STATE}"):
    """virsh restore; the definition in the state has the disk's path already."""
    inside(container, "virsh --quiet destroy windows 2>/dev/null; true")
    if cold:
        drop_cache(pathlib.Path(f"/proc/{container.pid}/root{state}"))
    with touched(memory):
        pass
    nanoseconds = inside(container, RESTORE, state, "--xml", "/storage/xml", *options).splitlines()[-1]
    values.setdefault(key, []).append(int(nanoseconds) / 1e9)


def measure_large(network, warm, memory, values):
    """A state of gigabytes, which no cache has."""
    state = state_of(warm)
    drop_cache(state)
    values.setdefault("large: cat, cold cache", []).append(read(state))
    drop_cache(state)
    values.setdefault("large: read into memory, cold cache", []).append(read_into_memory(state))
    drop_cache(state)
    one(network, warm, "large, cold cache", values, "warm", memory)
    with laboratory(network, warm) as container:
        by_hand(container, "large, cold cache: virsh restore", values, memory, True)
        inside(container, "virsh --quiet save windows /storage/sparse --image-format sparse && sync")
        by_hand(container, f"large, cold cache: virsh restore, sparse, {CHANNELS} channels", values, memory, True,
                "--parallel-channels", str(CHANNELS), state="/storage/sparse")


def measure_round(network, cold, warm, n, values):
    state = state_of(warm["raw"])
    nothing(network, cold, values)
    with laboratory(network, warm["raw"]) as container:
        by_hand(container, "warm: virsh restore", values, MEMORY, False)
    one(network, cold, "cold", values, "cold")
    one(network, warm["raw"], "warm", values, "warm")
    drop_cache(state)
    values.setdefault("cat, cold cache", []).append(read(state))
    values.setdefault("cat, warm cache", []).append(read(state))
    drop_cache(state)
    one(network, warm["raw"], "warm, cold cache", values, "warm")
    several(network, warm["raw"], n, values)
    for kind in FORMATS[1:]:
        one(network, warm[kind], f"warm, {kind}", values, "warm")


def report(options, values, size, large):
    print(f"{options.clones} clones at once, {options.rounds} rounds; median, smallest .. largest, target")
    for key, target in (("cold", ""), ("warm", "< 500 + cat"), ("warm, cold cache", ""), ("first of the clones answers", ""), ("all clones answer", "")):
        many_bench.row(f"{key}: start -> RDP" if "answer" not in key else key, [value * 1e3 for value in values[key]], "ms", target)
    for key in ("docker start of nothing", "warm: virsh restore"):
        many_bench.row(key, [value * 1e3 for value in values[key]], "ms")
    many_bench.row("  warm above both", [1e3 * (warm - start - restore) for warm, start, restore in zip(
        values["warm"], values["docker start of nothing"], values["warm: virsh restore"])], "ms")
    for key in ("cat, warm cache", "cat, cold cache", "warm: loading", "warm, cold cache: loading"):
        many_bench.row(key, [value * 1e3 for value in values[key]], "ms")
        many_bench.row("  that is", [size / 1e6 / value for value in values[key]], "MB/s")
    print(f"large: a state of {large / 1e6:.0f} MB")
    for key in [key for key in values if key.startswith("large")]:
        many_bench.row(key, [value * 1e3 for value in values[key]], "ms")
        if "loading" in key or "cat" in key or "read" in key:
            many_bench.row("  that is", [large / 1e6 / value for value in values[key]], "MB/s")
    fixed = statistics.median(values["warm: loading"])
    for key in ("cat", "read into memory"):
        speeds = [100 * (large - size) / (loading - fixed) / (large / seconds)
                  for loading, seconds in zip(values["large, cold cache: loading"], values[f"large: {key}, cold cache"])]
        many_bench.row(f"  the GB more, to {key}", speeds, "%", "> 70")
    many_bench.row("volume, before the guest writes", values["volume, before the guest writes"], "kB", "< 1000")
    for key in ("volume of a clone that answers", "container's layer of it", "private, all but QEMU, clone", "PSS all but QEMU, clone"):
        many_bench.row(key, values[key], "kB")
    for kind in FORMATS:
        if f"state, {kind}" in values:
            many_bench.row(f"freeze, {kind}", [value * 1e3 for value in values[f"freeze, {kind}"]], "ms")
            many_bench.row("  state on disk", values[f"state, {kind}"], "MB")
            key = "warm" if kind == "raw" else f"warm, {kind}"
            many_bench.row("  start -> RDP", [value * 1e3 for value in values[key]], "ms")
            many_bench.row("  of it loading", [value * 1e3 for value in values[f"{key}: loading"]], "ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clones", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--image", default="casement")
    parser.add_argument("--fill", type=int, default=2300, help="MB of memory that the guest of the large state has filled")
    options = parser.parse_args()
    harness.remove_leftovers()
    values = {}
    network = harness.Network()
    try:
        with many_bench.image_with_base(options.image) as cold, contextlib.ExitStack() as stack:
            warm = {kind: stack.enter_context(frozen(network, cold, kind, values)) for kind in FORMATS}
            memory = options.fill + ROOM
            large = stack.enter_context(frozen(network, cold, "raw", values, label="large", memory=memory, megabytes=options.fill))
            values.update(many_bench.measure_unwritten(network, warm["raw"], options.clones))
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
                measure_round(network, cold, warm, options.clones, values)
                measure_large(network, large, memory, values)
            report(options, values, state_of(warm["raw"]).stat().st_size, state_of(large).stat().st_size)
    finally:
        network.remove()


if __name__ == "__main__":
    main()
