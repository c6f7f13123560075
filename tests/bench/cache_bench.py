#!/usr/bin/env python3
"""A new container's first start with what is known about QEMU from an earlier container, against one that has to ask QEMU.

    tests/bench/cache_bench.py [--rounds 10] [--image casement]

Cold: a new volume. Warm: a new volume with the windows.qcow2.capabilities that another container has left. Both in turns; each container is
new, its disk too. The guest is mini under TCG, without /dev/kvm: where there is a /dev/kvm that does not work, libvirtd asks again every
time. Needs a Docker Engine and casement's image (scripts/demo makes it).
"""
import argparse
import os
import pathlib
import statistics
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
# pylint: disable=wrong-import-position
import harness
import start_bench


def start(network, image, known=None):
    """Milliseconds from the start of PID 1 to QEMU's and to the answer by RDP; and what is known about QEMU then."""
    container = harness.Container(network, image=image, disk=harness.guest_image("mini"), devices=("/dev/net/tun",))
    kept = container.storage / "windows.qcow2.capabilities"
    try:
        if known:
            kept.write_bytes(known)
        container.start()
        _, values = start_bench.measure_start(container)
        return values, kept.read_bytes()
    finally:
        container.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--image", default="casement")
    options = parser.parse_args()
    harness.remove_leftovers()
    network = harness.Network()
    values = {"cold": [], "warm": []}
    load = os.getloadavg()[0]
    try:
        _, known = start(network, options.image)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            values["cold"].append(start(network, options.image)[0])
            values["warm"].append(start(network, options.image, known)[0])
    finally:
        network.remove()
    print(f"{options.rounds} rounds; median, smallest .. largest; load {load:.1f} at first, {os.getloadavg()[0]:.1f} at last")
    for key in values["cold"][0]:
        for way, rows in values.items():
            row = [one[key] for one in rows]
            print(f"  {key + ', ' + way:22} {statistics.median(row):8.1f} ms {min(row):8.1f} .. {max(row):8.1f}")


if __name__ == "__main__":
    main()
