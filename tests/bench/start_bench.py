#!/usr/bin/env python3
"""Start, stop and memory of the real image, side by side in one run, medians.

Compared: casement, a shell script as PID 1 that does the same steps by hand (start/shell-init), and the floor: what libvirt
itself needs (start/floor.c: both daemons ready, connect, define, create). The guest is mini under TCG.

    tests/bench/start_bench.py [--rounds N] [--image casement] [--keep]

Needs a Docker Engine and casement's image (scripts/demo makes it).
"""
import argparse
import json
import os
import re
import select
import socket
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TICK = 1 / os.sysconf("SC_CLK_TCK")
NETWORK = "casement-bench-net"
BENCH = "casement-bench"
REQUEST = bytes.fromhex("030000130ee000000000000100080003000000")
ENVIRONMENT = {"CASEMENT_GUEST_ACCEL": "tcg", "CASEMENT_GUEST_CPUS": "1", "CASEMENT_GUEST_PROFILE": "linux", "CASEMENT_GUEST_MEMORY": "256M"}


def docker(*words, check=True, data=None):
    """What docker prints on stdout."""
    done = subprocess.run(["docker", *words], input=data, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, error = done.stdout.decode(), done.stderr.decode()
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(words)}: {out[-800:]}{error[-800:]}")
    return out.strip()


def boot_clock():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_start(pid):
    """Seconds since boot, in steps of one clock tick (10 ms)."""
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[19]) * TICK


def processes(root_pid):
    """Pids of a container: everything in the PID namespace of its PID 1."""
    namespace = os.readlink(f"/proc/{root_pid}/ns/pid")
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == namespace:
                yield int(name)
        except OSError:
            pass


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            return cmdline.read().split(b"\0")
    except OSError:
        return [b""]


def guest_process(root_pid):
    for pid in processes(root_pid):
        words = command_of(pid)
        if b"qemu-system" in words[0] and any(b"guest=windows" in word for word in words):
            return pid
    return None


def wait_for(what, get, seconds=60.0, pause=0.005):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = get()
        if value:
            return value
        time.sleep(pause)
    raise RuntimeError(f"{what}: nothing after {seconds} s")


def answers(address):
    """One RDP handshake; the address must be on a bridge of this machine."""
    try:
        with socket.create_connection((address, 3389), timeout=0.3) as peer:
            peer.sendall(REQUEST)
            return peer.recv(64).startswith(b"\x03\x00")
    except OSError:
        return False


class Container:
    def __init__(self, name, image, *options, command=(), environment=ENVIRONMENT):
        self.name = f"{BENCH}-{name}-{os.getpid()}"
        words = ["run", "-d", "--name", self.name, "--network", NETWORK, "--device", "/dev/kvm", "--device", "/dev/net/tun",
                 "--cap-add", "NET_ADMIN", *options]
        for key, value in environment.items():
            words += ["-e", f"{key}={value}"]
        docker(*words, image, *command)
        self.pid = int(docker("inspect", "-f", "{{.State.Pid}}", self.name))
        self.address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)
        route = subprocess.run(["ip", "-o", "route", "get", self.address], text=True, stdout=subprocess.PIPE).stdout
        if " dev br-" not in route:
            raise RuntimeError(f"the route to {self.address} is not a bridge of Docker's: {route}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        docker("rm", "-fv", self.name, check=False)


def measure_start(container):
    begin = process_start(container.pid)
    guest = wait_for("QEMU", lambda: guest_process(container.pid))
    qemu = process_start(guest) - begin
    wait_for("RDP", lambda: answers(container.address))
    return guest, {"QEMU process": qemu * 1e3, "RDP answer": (boot_clock() - begin) * 1e3}


def measure_steps(container):
    """casement's own words: when each service was ready, after its own start."""
    steps = {}
    for line in docker("logs", container.name).splitlines() + subprocess.run(
            ["docker", "logs", container.name], text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL).stderr.splitlines():
        match = re.search(r"casement: (\S+) is ready \((\d+) ms\)", line)
        if match:
            steps.setdefault(f"  {match[1]} ready", float(match[2]))
    return steps


def measure_stop(container, guest):
    """SIGTERM → press seen on the guest's serial port; QEMU's end → the container's."""
    serial = f"/proc/{container.pid}/root/var/log/casement/serial.log"
    root_fd, guest_fd = os.pidfd_open(container.pid), os.pidfd_open(guest)
    # The shell script presses once: wait until the guest surely listens.
    time.sleep(3)
    with open(serial, "rb") as log:
        log.seek(0, os.SEEK_END)
        asked = time.monotonic()
        docker("kill", "-s", "TERM", container.name)
        sent = time.monotonic()
        seen = b""
        while b"power button pressed" not in seen:
            seen += log.read()
            if time.monotonic() - asked > 20:
                raise RuntimeError("no press arrived at the guest")
            time.sleep(0.0005)
        pressed = time.monotonic()
    select.select([guest_fd], [], [], 30)
    off = time.monotonic()
    select.select([root_fd], [], [], 30)
    gone = time.monotonic()
    os.close(root_fd)
    os.close(guest_fd)
    return {"SIGTERM -> button (at most)": (pressed - asked) * 1e3, "  of it docker kill itself": (sent - asked) * 1e3,
            "guest off -> container exit": (gone - off) * 1e3}


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


def measure_memory(container, guest):
    sizes = {}
    for pid in processes(container.pid):
        if pid != guest:
            name = os.path.basename(command_of(pid)[0].decode() or "?")
            sizes[name] = sizes.get(name, 0) + pss(pid)
    result = {f"PSS {name}": size for name, size in sorted(sizes.items())}
    result["PSS all but QEMU"] = sum(sizes.values())
    return result


def switches(pid):
    with open(f"/proc/{pid}/status") as status:
        return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)


def prepare(image):
    docker("network", "create", "--internal", NETWORK)
    mini = subprocess.run([f"{TOP}/tests/guests/build", "mini"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    # As a tar: .dockerignore keeps everything but casement's own sources out of a context that is the tree.
    context = subprocess.run(["tar", "-C", TOP, "-c", "lib", "tests/bench/start"], check=True, stdout=subprocess.PIPE).stdout
    docker("build", "-q", "-t", f"{BENCH}:toolchain", "-f", f"{TOP}/docker/Dockerfile", "--target", "toolchain", TOP)
    docker("build", "-q", "-t", f"{BENCH}:tools", "--build-arg", f"TOOLCHAIN={BENCH}:toolchain", "--build-arg", f"IMAGE={image}", "-f", "tests/bench/start/Dockerfile", "-",
           data=context)
    with Container("disk", f"{BENCH}:tools", "--entrypoint", "sleep", command=("60",), environment={}) as container:
        docker("exec", container.name, "mkdir", "-p", "/images")
        docker("cp", mini, f"{container.name}:/images/windows.qcow2")
        docker("exec", container.name, "chmod", "0644", "/images/windows.qcow2")
        docker("commit", "-c", 'ENTRYPOINT ["/usr/libexec/casement/casement-first"]', "-c", "CMD []", container.name, f"{BENCH}:run")
    # The domain and the lease file that the shell script and the floor use are those that casement makes.
    with Container("model", f"{BENCH}:run") as container:
        measure_start(container)
        for path in ("/etc/libvirt/qemu/windows.xml", "/run/casement/dnsmasq.conf"):
            docker("cp", f"{container.name}:{path}", f"/tmp/{BENCH}-{os.path.basename(path)}")
    with Container("tools", f"{BENCH}:run", "--entrypoint", "sleep", command=("60",), environment={}) as container:
        docker("exec", container.name, "mkdir", "-p", "/run/casement", "/var/log/casement")
        docker("cp", f"/tmp/{BENCH}-windows.xml", f"{container.name}:/bench/domain.xml")
        docker("cp", f"/tmp/{BENCH}-dnsmasq.conf", f"{container.name}:/bench/dnsmasq.conf")
        docker("commit", "-c", "CMD []", container.name, f"{BENCH}:compare")
    for name in ("windows.xml", "dnsmasq.conf"):
        os.unlink(f"/tmp/{BENCH}-{name}")


def remove():
    """What prepare() made."""
    docker("network", "rm", NETWORK, check=False)
    docker("rmi", "-f", f"{BENCH}:compare", f"{BENCH}:run", f"{BENCH}:tools", f"{BENCH}:toolchain", check=False)


def floor_round():
    # The device as casement prepares it: otherwise libvirt repeats its probe at every call.
    script = ("chgrp kvm /dev/kvm && chmod 0660 /dev/kvm && ip link add virbr1 type bridge && ip link set virbr1 up && "
              "qemu-img create -q -f qcow2 -b /images/windows.qcow2 -F qcow2 /storage/windows.qcow2 && "
              "exec /bench/floor /bench/domain.xml")
    with Container("floor", f"{BENCH}:compare", "--entrypoint", "/bin/sh", command=("-c", script), environment={}) as container:
        wait_for("the floor", lambda: docker("inspect", "-f", "{{.State.Running}}", container.name) == "false", pause=0.1)
        output = docker("logs", container.name)
    match = re.search(r"^floor (.*)$", output, re.M)
    if not match:
        raise RuntimeError("the floor did not finish: " + output)
    words = match[1].split()
    return {key: float(value) for key, value in zip(words[::2], words[1::2])}


def casement_round(idle_seconds):
    with Container("casement", f"{BENCH}:run") as container:
        guest, values = measure_start(container)
        values.update(measure_steps(container))
        wait_for("ready", lambda: docker("exec", container.name, "casementctl", "ready", check=False) == "ok", pause=0.2)
        values.update(measure_memory(container, guest))
        if idle_seconds:
            before = switches(container.pid)
            time.sleep(idle_seconds)
            values["PID 1 wake-ups while idle"] = switches(container.pid) - before
        values.update(measure_stop(container, guest))
        return values


def shell_round():
    with Container("shell", f"{BENCH}:compare", "--entrypoint", "/bin/sh", command=("/bench/shell-init",),
                   environment={}) as container:
        guest, values = measure_start(container)
        values.update(measure_memory(container, guest))
        values.update(measure_stop(container, guest))
        return values


def table(title, rounds):
    print(f"\n{title} ({len(rounds)} rounds, medians)")
    for key in rounds[-1]:
        values = [values[key] for values in rounds if key in values]
        unit = "kB" if key.startswith("PSS") else "" if "wake-ups" in key else "ms"
        print(f"  {key:32} {statistics.median(values):9.1f} {unit:3} {min(values):9.1f} .. {max(values):.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--image", default="casement")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds in which PID 1's wake-ups are counted, first round")
    options = parser.parse_args()
    ours, shells, floors = [], [], []
    try:
        prepare(options.image)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            ours.append(casement_round(options.idle if number == 0 else 0))
            shells.append(shell_round())
            floors.append(floor_round())
    finally:
        remove()
    # The idle count comes from the first round only; the tables take their rows from the last.
    ours.append(ours.pop(0))
    table("casement", ours)
    table("shell script as PID 1", shells)
    table("floor: libvirt alone", floors)
    ratio = statistics.median(r["QEMU process"] for r in ours) / statistics.median(r["sum"] for r in floors)
    print(f"\ncontainer start -> QEMU process: {ratio:.2f} x the floor")
    print(json.dumps({"casement": ours, "shell": shells, "floor": floors}), file=sys.stderr)


if __name__ == "__main__":
    main()
