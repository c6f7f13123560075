#!/usr/bin/env python3
"""Many containers from one image: what each of them costs on disk and in memory, and how long until all of them answer.

    tests/bench/many_bench.py [--containers 6] [--rounds 3] [--image casement] [--compare IMAGE]

The image has the base; each container makes an overlay on a volume of its own. All are started by one `docker start`. The guest is
mini under TCG. Needs a Docker Engine and casement's image (scripts/demo makes it). With
--compare the overlay of a single container is made by both images, in turns: an older casement beside this one.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
# pylint: disable=wrong-import-position
import harness
import start_bench


@contextlib.contextmanager
def image_with_base(image):
    name = f"{harness.PREFIX}-many-{next(harness.numbers)}"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as context:
        shutil.copyfile(harness.guest_image("mini"), f"{context}/mini.qcow2")
        pathlib.Path(context, "Dockerfile").write_text(
            f"FROM {image}\nLABEL {harness.LABEL}={os.getpid()}\nCOPY mini.qcow2 /images/windows.qcow2\n", encoding="ascii")
        os.chmod(f"{context}/mini.qcow2", 0o644)
        harness.docker("build", "-q", "-t", name, context, timeout=600)
    try:
        yield name
    finally:
        harness.docker("rmi", "-f", name, check=False)


def on_disk(directory):
    """Bytes that its files occupy."""
    return sum(path.lstat().st_blocks * 512 for path in pathlib.Path(directory).rglob("*"))


def layer(container):
    """Bytes of the container's own layer, by Docker's account."""
    return int(harness.docker("inspect", "-s", "-f", "{{.SizeRw}}", container.name))


@contextlib.contextmanager
def containers(network, image, n, devices=harness.DEVICES, **environment):
    made = []
    try:
        for _ in range(n):
            made.append(harness.Container(network, image=image, devices=devices, environment=environment))
        yield made
    finally:
        for container in made:
            container.remove()


def start_all(made):
    harness.docker("start", *(container.name for container in made), timeout=300)


def measure_unwritten(network, image, n):
    """A guest of more memory than there is gets everything but a start: what is on disk then, it has not written."""
    with containers(network, image, n, CASEMENT_GUEST_MEMORY="100T") as made:
        start_all(made)
        for container in made:
            code = container.wait_exit(300)
            if code != 11:
                raise RuntimeError(f"exit code {code}: {container.logs()}")
        return {"volume, before the guest writes": [on_disk(container.storage) / 1e3 for container in made],
                "  of it the overlay": [container.disk.stat().st_blocks * 512 / 1e3 for container in made]}


def overlay_ms(container):
    return float(re.search(r"windows\.qcow2 is made, in (\d+) ms", container.logs())[1])


def measure_alone(network, image):
    with containers(network, image, 1, CASEMENT_GUEST_MEMORY="100T") as (single,):
        start_all([single])
        single.wait_exit(300)
        return overlay_ms(single)


def measure_round(network, image, n, values):
    with containers(network, image, n) as made:
        begin = time.monotonic()
        start_all(made)
        values["docker start of all"].append(time.monotonic() - begin)
        waiting = {container.address: container for container in made}
        answered = []
        while waiting:
            for address in list(waiting):
                if start_bench.answers(address):
                    answered.append(time.monotonic() - begin)
                    del waiting[address]
            if time.monotonic() - begin > 600:
                raise RuntimeError("not all answer: " + next(iter(waiting.values())).logs())
            time.sleep(0.01)
        values["first one answers"].append(answered[0])
        values["all answer"].append(answered[-1])
        for container in made:
            container.wait_ready(300)
        values["overlay made"] += [overlay_ms(container) for container in made]
        values["volume, guest has booted"] += [on_disk(container.storage) / 1e3 for container in made]
        values["container's layer"] += [layer(container) / 1e3 for container in made]
        for container in made:
            memory = start_bench.measure_memory(container, start_bench.guest_process(container.pid))
            for key, size in memory.items():
                values.setdefault(key, []).append(size)
            values.setdefault("PSS QEMU", []).append(start_bench.pss(container.qemu))


def alone(image, rounds):
    """qemu-img create by itself, in a container that does nothing else: the floor of an overlay."""
    script = (f"for i in $(seq {rounds}); do a=$(date +%s%N); qemu-img create -q -f qcow2 -b /images/windows.qcow2 -F qcow2 "
              "/tmp/$i.qcow2; b=$(date +%s%N); echo $((b - a)); done")
    output = subprocess.run(["docker", "run", "--rm", "--label", f"{harness.LABEL}={os.getpid()}", "--network", "none", "--entrypoint",
                             "/bin/sh", image, "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                            timeout=300, check=True).stdout
    return [int(word) / 1e6 for word in output.split()]


def measure_in_turns(network, image, other, values):
    with image_with_base(other) if other else contextlib.nullcontext() as other_image:
        for _ in range(15):
            values.setdefault("overlay made, one container", []).append(measure_alone(network, image))
            if other:
                values.setdefault("overlay made, other casement", []).append(measure_alone(network, other_image))


def row(name, values, unit, target=""):
    if not values:
        return
    print(f"  {name:34} {statistics.median(values):10.1f} {unit:3} {min(values):10.1f} .. {max(values):10.1f}"
          f"{'   ' + target if target else ''}".rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3, help="0: overlays alone")
    parser.add_argument("--image", default="casement")
    parser.add_argument("--compare", metavar="IMAGE", help="another casement, to make overlays with")
    options = parser.parse_args()
    harness.remove_leftovers()
    values = {key: [] for key in ("docker start of all", "first one answers", "all answer", "overlay made",
                                  "volume, guest has booted", "container's layer")}
    loads = [os.getloadavg()[0]]
    network = harness.Network()
    try:
        with image_with_base(options.image) as image:
            values.update(measure_unwritten(network, image, options.containers))
            values["qemu-img create by hand"] = alone(image, 20)
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
                measure_round(network, image, options.containers, values)
                loads.append(os.getloadavg()[0])
            measure_in_turns(network, image, options.compare, values)
    finally:
        network.remove()
    print(f"{options.containers} containers at once, {options.rounds} rounds; median, smallest .. largest, target; load "
          + " ".join(f"{load:.1f}" for load in loads))
    for key in ("volume, before the guest writes", "  of it the overlay", "volume, guest has booted", "container's layer"):
        row(key, values[key], "kB", "< 1000" if key.startswith("volume, before") else "")
    for key in ("overlay made, one container", "overlay made, other casement", "overlay made", "qemu-img create by hand"):
        row(key, values.get(key), "ms", "< 20" if "container" in key else "")
    for key in ("docker start of all", "first one answers", "all answer"):
        row(key, values[key], "s")
    for key in values:
        if key.startswith("PSS"):
            row(key, values[key], "kB")


if __name__ == "__main__":
    main()
