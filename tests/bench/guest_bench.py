#!/usr/bin/env python3
"""How fast the guest's keeper and PID 1 react, on the real image, and what they survive.

    tests/bench/guest_bench.py [--rounds N] [--image casement]      reactions: medians, side by side with what others need
    tests/bench/guest_bench.py --faults N                           the table of faults in docs/reliability.md

The guests are boot sectors under TCG, and mini where an answer of RDP is asked for. Needs a Docker Engine, casement's image
(scripts/demo makes it) and virsh.
"""
import argparse
import collections
import os
import pathlib
import re
import select
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
# pylint: disable=wrong-import-position
import harness
import rounds
import start_bench


class Ear:
    """virsh in the container's libvirtd, as long as it says lines; QEMU's own time is in those about its events."""

    def __init__(self, container, *words):
        self.uri = f"qemu+unix:///system?socket=/proc/{container.pid}/root/run/libvirt/libvirt-sock"
        self.process = subprocess.Popen(["stdbuf", "-oL", "virsh", "-q", "-c", self.uri, *words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        # It says nothing when it listens.
        time.sleep(1)

    def shut_down(self):
        subprocess.run(["virsh", "-q", "-c", self.uri, "shutdown", "windows", "--mode", "acpi"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def wait(self, pattern, seconds=20):
        while select.select([self.process.stdout], [], [], seconds)[0]:
            match = re.search(pattern, self.process.stdout.readline())
            if match:
                return match
        raise RuntimeError(f"nothing that matches {pattern} was heard in {seconds} s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


# Where containers are made, and of what.
Lab = collections.namedtuple("Lab", "network image")


def start(lab, disk, **environment):
    """A container whose guest is up, as far as its firmware for a boot sector."""
    guest = harness.Container(lab.network, disk=harness.guest_image(disk), image=lab.image,
                              environment={**rounds.ENVIRONMENT, **environment})
    guest.start()
    if disk == "mini":
        guest.wait_ready()
    else:
        guest.wait_status("booting", lambda status: status["guest"]["state"] == "booting" and all(
            service["state"] == "ready" for service in status["services"]))
    return guest


def the_button(lab):
    """A guest that never listens can be asked twice: by hand, and by us."""
    guest = start(lab, "deaf")
    pressed = r"event POWERDOWN at ([0-9.]+)"
    try:
        with Ear(guest, "qemu-monitor-event", "--loop", "--event", "POWERDOWN") as ear:
            by_hand = time.time()
            ear.shut_down()
            by_hand = float(ear.wait(pressed)[1]) - by_hand
            pid = guest.pid
            # The keeper is idle, and so is libvirtd.
            time.sleep(1)
            asked = time.time()
            os.kill(pid, signal.SIGTERM)
            ours = float(ear.wait(pressed)[1]) - asked
            os.kill(pid, signal.SIGQUIT)
        guest.wait_exit(60)
    finally:
        guest.remove()
    return {"SIGTERM -> power button": ours, "  virsh shutdown by hand": by_hand}


def the_end():
    """QEMU's end and PID 1's, beside the shell script's."""
    values = {}
    for row, image, options in (
            ("guest off -> container exit", "run", {}),
            ("  a shell script as PID 1", "compare", {"command": ("/bench/shell-init",),
                                                      "environment": {}, "options": ("--entrypoint", "/bin/sh")})):
        name = "shell" if options else "casement"
        with start_bench.Container(name, f"{start_bench.BENCH}:{image}", *options.pop("options", ()), **options) as container:
            guest, _ = start_bench.measure_start(container)
            values[row] = start_bench.measure_stop(container, guest)["guest off -> container exit"] / 1e3
    return values


def libvirtd_dies(guest):
    """What `watch` says, by when it says it."""
    with rounds.Watch(guest) as watch:
        before = rounds.restarts(watch.first)["libvirtd"]
        values = {}
        victim = guest.process("libvirtd")
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)

        def note(row, truth):
            if truth:
                values.setdefault(row, time.monotonic() - begin)
            return row in values

        def is_over(status):
            service = next(service for service in status["services"] if service["name"] == "libvirtd")
            note("  the status says so", status["state"] == "degraded")
            back = note("  libvirtd is ready", service["restarts"] > before and service["state"] == "ready")
            return note("libvirtd killed -> connected again", back and status["guest"]["reason"] == "")

        watch.until(is_over)
    return {row: values[row] for row in sorted(values, reverse=True)}


def qemu_dies(guest):
    """PID 1 says so, and libvirtd to who listens there."""
    with Ear(guest, "event", "--domain", "windows", "--event", "lifecycle", "--loop") as ear, rounds.Watch(guest) as watch:
        boots = watch.first["guest"]["boots"]
        victim = guest.qemu
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        values = {}
        sources = {watch.connection: None, ear.process.stdout: None}
        while sources:
            for source in select.select(list(sources), [], [], 20)[0] or sys.exit("nobody says that QEMU is gone"):
                if source is watch.connection and watch.next()["guest"]["state"] == "crashed":
                    values["QEMU killed -> the status says so"] = time.monotonic() - begin
                elif source is ear.process.stdout and "Stopped" in source.readline():
                    values["  virsh event says so"] = time.monotonic() - begin
                else:
                    continue
                del sources[source]
        watch.until(lambda status: status["guest"]["boots"] > boots and status["state"] == "running")
    return {row: values[row] for row in sorted(values, reverse=True)}


TARGETS = {"SIGTERM -> power button": 20, "guest off -> container exit": 100, "libvirtd killed -> connected again": 2000,
           "QEMU killed -> the status says so": 100}


def reactions(lab, n):
    found = {}

    def add(values):
        for row, seconds in values.items():
            found.setdefault(row, []).append(seconds * 1e3)

    try:
        start_bench.prepare(lab.image)
        guest = start(lab, "button", CASEMENT_GUEST_ON_CRASH="restart")
        try:
            for number in range(n):
                print(f"round {number + 1} of {n}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
                add(the_button(lab))
                add(the_end())
                add(libvirtd_dies(guest))
                add(qemu_dies(guest))
        finally:
            guest.remove()
    finally:
        start_bench.remove()
    print(f"{n} rounds; ms: median, smallest .. largest, target")
    for row, values in found.items():
        target = f"< {TARGETS[row]}" if row in TARGETS else ""
        print(f"  {row:36} {statistics.median(values):8.1f}   {min(values):8.1f} .. {max(values):8.1f}   {target}".rstrip())


def daemon_faults(lab, n, only):
    """Rows of the table: fault, rounds, rounds after which everything was as before, worst time until `ready`."""
    guest = start(lab, "mini")
    try:
        same = rounds.Rounds(guest)
        plan = [(f"`kill -9` of {name}", programs, signal.SIGKILL, n) for name, programs in rounds.FAULTS.items()]
        plan += [(f"SIGSTOP of {name}", (name,), signal.SIGSTOP, max(1, n // 10)) for name in ("libvirtd", "casement-guest")]
        for fault, programs, number, times in plan:
            if re.search(only, fault):
                yield fault, [(same.inflict(programs, number)[0], same.problems()) for _ in range(times)]
        same.close()
    finally:
        guest.remove()


def guest_faults(lab, n, only):
    """What the guest does not survive: that the container is ready again with a guest that has booted."""
    guest = start(lab, "mini", CASEMENT_GUEST_ON_CRASH="restart", CASEMENT_GUEST_ON_POWEROFF="restart")
    plan = {
        "QEMU killed, `on-crash = restart`": lambda: boot_again(guest, lambda: os.kill(guest.qemu, signal.SIGKILL)),
        "kernel panic, `on-crash = restart`": lambda: boot_again(guest, lambda: guest.control("crash")),
        "power-off, `on-poweroff = restart`": lambda: boot_again(guest, lambda: guest.control("poweroff")),
        "`docker kill` and `docker start`": lambda: power_cut(guest),
    }
    try:
        for fault, inflict in plan.items():
            if re.search(only, fault):
                yield fault, [inflict() for _ in range(n)]
    finally:
        guest.remove()


def boot_again(guest, fault):
    with rounds.Watch(guest) as watch:
        boots = watch.first["guest"]["boots"]
        begin = time.monotonic()
        fault()
        watch.until(lambda status: status["guest"]["boots"] > boots and rounds.is_well(status))
        return time.monotonic() - begin, []


def power_cut(guest):
    harness.docker("kill", guest.name)
    guest.wait_exit(30)
    begin = time.monotonic()
    guest.start()
    guest.wait_ready()
    return time.monotonic() - begin, []


def faults(lab, n, only):
    print("| fault | rounds | survived | ready again, median | worst |\n|---|---|---|---|---|")
    bad = 0
    for source, times in ((daemon_faults, n), (guest_faults, max(1, n // 10))):
        for fault, results in source(lab, times, only):
            survived = sum(not problems for _, problems in results)
            seconds = [seconds for seconds, _ in results]
            bad += survived < len(results)
            print(f"| {fault} | {len(results)} | {survived} | {statistics.median(seconds):.2f} s | {max(seconds):.2f} s |",
                  flush=True)
            print(f"load {os.getloadavg()[0]:.1f}", *(problems for _, problems in results if problems), file=sys.stderr)
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--faults", type=int, metavar="N", help="rounds of each fault; a tenth of the slow ones")
    parser.add_argument("--only", metavar="REGEX", default="", help="of the faults, those with such a name")
    parser.add_argument("--image", default="casement")
    options = parser.parse_args()
    harness.remove_leftovers()
    lab = Lab(harness.Network(), options.image)
    try:
        return faults(lab, options.faults, options.only) if options.faults else reactions(lab, options.rounds)
    finally:
        lab.network.remove()


if __name__ == "__main__":
    sys.exit(main())
