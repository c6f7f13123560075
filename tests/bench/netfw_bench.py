#!/usr/bin/env python3
"""What port forwarding costs with casement-netfw, nft and iptables: side by side in one run, medians.

In network namespaces as tests/netfw has them (outside, container, guest), which have no way out of the machine: applying rules,
adding one, connecting through them, a packet, throughput, and reading them and their counters.

    sudo tests/bench/netfw_bench.py [--rounds N] [--only PART]

Needs nft, iptables-nft, iperf3 and a C compiler. CASEMENT_BUILD names meson's build directory; without it one is made.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import platform
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "netfw"))
import lab  # noqa: E402  pylint: disable=wrong-import-position

# Tables without a network around them. A namespace that ends slows down those that stay: it lives as long as they do.
SCRATCH = "scratch"
HELPERS = ("apply", "timed", "connect", "packet")
SIZES = (1, 100, 1000, 10000)
MANY = SIZES[-1]
GUEST_PORT, IPERF_PORT, PACKET_PORT = 3389, 5201, 5202
CONNECTS = 400
# Of packets, and of throughput: many short turns in a round, each of all variants. What disturbs one of them disturbs its
# neighbours as well, and ratios are taken within a turn.
# Of packets: bytes at a time, and how often.
PACKETS = {"one byte": (1, 2000), "32 KiB": (32768, 1000)}
PACKET_TURNS, THROUGHPUT_TURNS = 8, 3
# Above this a loop of commands takes minutes: it runs in the first round only.
LOOP_MAX = 1000
# Of connections: how the rules are brought in, and what they are.
CONNECTED = {"up": "casement-netfw", "rules": "nft, a rule each", "restore": "iptables-nft"}
# Of throughput: the cores of client and server, and how much is sent in a turn.
CASES = {"one core": ("1,1", "192M"), "a core each": ("1,0", "192M")}
WAYS = {"to the guest": False, "from the guest": True}
VARIANTS = {"none": "without rules", "netfw": "casement-netfw", "uncounted": "casement-netfw, chain count emptied",
            "iptables": "iptables-nft"}

REPLACE = "table inet casement\ndelete table inet casement\n"
# What a script would do. The DNAT rules have a chain of their own, as in the other variants.
IPTABLES = f"""*nat
:FORWARDS - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j FORWARDS
-A OUTPUT ! -d 127.0.0.11 -m addrtype --dst-type LOCAL -j FORWARDS
-A POSTROUTING -o virbr1 -m conntrack --ctstate DNAT -j MASQUERADE
-A POSTROUTING -s {lab.BRIDGE4}/24 ! -o virbr1 -j MASQUERADE
%sCOMMIT
*filter
-A FORWARD -o virbr1 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -o virbr1 -m conntrack --ctstate DNAT -j ACCEPT
-A FORWARD -o virbr1 -j DROP
COMMIT
"""


def dnat(port, guest_port=GUEST_PORT):
    """Arguments of iptables for one forward."""
    return f"-A FORWARDS -p tcp --dport {port} -j DNAT --to-destination {lab.GUEST4}:{guest_port}"


def config(*forwards):
    """A line has up to 198 characters."""
    lines = (" ".join(forwards[i:i + 8]) for i in range(0, len(forwards), 8))
    return "[network]\nipv6 = no\nforwards =\n" + "".join(f"    {line}\n" for line in lines)


def ports(n):
    return config(*(f"{port}:{GUEST_PORT}/tcp" for port in range(1, n + 1)))


class Bench(lab.Lab):
    """The namespaces, and the ways to bring rules into the container."""

    ipv6 = False

    @classmethod
    def file_of(cls, name, text):
        path = pathlib.Path(cls.run_directory, name)
        path.write_text(text, encoding="utf-8")
        return str(path)

    @classmethod
    def prepare(cls, helpers):
        """Files of all variants. The table as text is what the program itself prints."""
        cls.helpers = helpers
        cls.files = {}
        for n in SIZES:
            text = cls.netfw("show", ports(n))
            rules = "".join(f"\t\ttcp dport {port} dnat ip to {lab.GUEST4}:{GUEST_PORT}\n" for port in range(1, n + 1))
            linear = re.sub(r"\tmap \w+ \{.*?\n\t\}\n\n?", "", text, flags=re.DOTALL)
            linear = re.sub(r"(chain forwards \{\n).*?(\t\})", lambda match: match[1] + rules + match[2], linear, 1, re.DOTALL)
            cls.files["map", n] = cls.file_of(f"map-{n}", REPLACE + text)
            cls.files["rules", n] = cls.file_of(f"rules-{n}", REPLACE + linear)
            cls.files["restore", n] = cls.file_of(
                f"restore-{n}", IPTABLES % "".join(dnat(port) + "\n" for port in range(1, n + 1)))
            cls.files["up", n] = cls.file_of(f"up-{n}", f"[guest]\nmac = {lab.GUEST_MAC}\n{ports(n)}")
        cls.files["up", MANY + 1] = cls.file_of("up-more", f"[guest]\nmac = {lab.GUEST_MAC}\n{ports(MANY + 1)}")
        cls.files["loop", 0] = cls.file_of("loop-0", IPTABLES % "")
        cls.files["iperf"] = cls.file_of("iperf", IPTABLES % "".join(
            f"{dnat(port, port)}\n" for port in (IPERF_PORT, PACKET_PORT)))

    @classmethod
    def contained(cls, *command):
        """In the container, with a /run of its own; what is printed."""
        script = f"mount --bind {cls.run_directory} /run && exec {shlex.join(command)}"
        done = subprocess.run(["nsenter", f"--net={cls.net.path(lab.CONTAINER)}", "unshare", "--mount", "sh", "-c", script],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
                              env={"PATH": os.environ["PATH"]})
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    @classmethod
    def timed(cls, *command, last=1):
        """Milliseconds from the spawn to the end, of all runs together."""
        return float(cls.contained(cls.helpers["timed"], "1", str(last), *command)) / 1e3

    @classmethod
    def flush(cls):
        """Nothing is left; the kernel frees its memory a little later."""
        cls.contained("nft", "flush", "ruleset")
        time.sleep(0.05)

    @staticmethod
    def loader(kind, path):
        return {"up": (str(lab.PROGRAM), "--config", path, "up"), "map": ("nft", "-f", path), "rules": ("nft", "-f", path),
                "restore": ("iptables-nft-restore", path), "loop": ("iptables-nft-restore", path)}[kind]

    @classmethod
    def load(cls, kind, n):
        """Instead of what is there."""
        cls.flush()
        cls.contained(*cls.loader(kind, cls.files[kind, n]))

    @classmethod
    def samples(cls, values, output, prefix=()):
        """Lines of a helper: a name and microseconds, which become milliseconds."""
        for sample in output.splitlines():
            name, value = sample.split("\t")
            values[(*prefix, name)].append(float(value) / 1e3)


def apply_round(bench, values, number):
    for n in SIZES:
        bench.samples(values, bench.net.exec(SCRATCH, bench.helpers["apply"], "make", str(n), "5"), prefix=(n,))
        for kind in ("up", "map", "rules", "restore"):
            bench.flush()
            values[n, kind].append(bench.timed(*bench.loader(kind, bench.files[kind, n])))
        if n <= LOOP_MAX or number == 0:
            bench.load("loop", 0)
            values[n, "loop"].append(bench.timed("iptables-nft", "-t", "nat", *dnat("%").split(), last=n))


def add_round(bench, values, _number):
    """One forward more at 10,000, by programs."""
    more = MANY + 1
    bench.load("up", MANY)
    for _ in range(3):
        values["up"].append(bench.timed(*bench.loader("up", bench.files["up", more])))
        bench.contained(*bench.loader("up", bench.files["up", MANY]))
    bench.load("map", MANY)
    for _ in range(3):
        key, element = f"tcp . {more}", f" : {lab.GUEST4} . {GUEST_PORT}"
        values["element"].append(bench.timed("nft", f"add element inet casement fwd4 {{ {key}{element} }}"))
        bench.contained("nft", f"delete element inet casement fwd4 {{ {key} }}")
    bench.load("rules", MANY)
    for _ in range(3):
        rule = f"tcp dport {more} dnat ip to {lab.GUEST4}:{GUEST_PORT}"
        values["rule"].append(bench.timed("nft", f"add rule inet casement forwards {rule}"))
    bench.load("restore", MANY)
    for _ in range(3):
        values["iptables"].append(bench.timed("iptables-nft", "-t", "nat", *dnat(more).split()))


def connect(bench, address, first, last, count):
    """Milliseconds of each connect() from the outside."""
    net = bench.net
    output = lab.run(bench.helpers["connect"], net.path(lab.GUEST), str(GUEST_PORT), net.path(lab.OUTSIDE), address,
                     str(first), str(last), str(count))
    return [float(line) / 1e3 for line in output.split()]


def rotated(things, number):
    """Each round begins with another one: whatever drifts favours none."""
    things = list(things)
    return things[number % len(things):] + things[:number % len(things)]


def connect_round(bench, values, number):
    """Through the last of the forwards: it is the one that a list finds last."""
    for kind, n in rotated([("none", 0), *((kind, n) for kind in CONNECTED for n in (1, MANY))], number):
        if kind == "none":
            bench.flush()
            values[kind, n] += connect(bench, lab.GUEST4, GUEST_PORT, GUEST_PORT, CONNECTS)
        else:
            bench.load(kind, n)
            values[kind, n] += connect(bench, lab.CONTAINER4, n, n, CONNECTS)


def softirq_seconds():
    """What the kernel's own threads for packets have used of the cores, which iperf3 does not see."""
    seconds = 0.0
    for process in os.listdir("/proc"):
        # Not glob(): it fails when a process ends in the meantime.
        with contextlib.suppress(OSError):
            directory = pathlib.Path("/proc", process)
            if directory.joinpath("comm").read_text(encoding="utf-8").startswith("ksoftirqd/"):
                seconds += int(directory.joinpath("schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
    return seconds


def packet_round(bench, values, number):
    """Nanoseconds of a core for what a connection that is there sends at a time."""
    net = bench.net
    for turn in range(PACKET_TURNS):
        for variant in rotated(VARIANTS, number * PACKET_TURNS + turn):
            load_iperf(bench, variant)
            address = lab.GUEST4 if variant == "none" else lab.CONTAINER4
            for case, (size, count) in PACKETS.items():
                output = lab.run("taskset", "-c", "1", bench.helpers["packet"], net.path(lab.GUEST), str(PACKET_PORT),
                                 net.path(lab.OUTSIDE), address, str(size), str(count))
                for way, nanoseconds in zip(WAYS, output.split()):
                    values[case, way, variant].append(float(nanoseconds))


def iperf(bench, address, cores, amount, reverse):
    """Gbit/s as the receiver saw it, and Gbit for each second of a core; client and server on those cores."""
    softirq = softirq_seconds()
    output = bench.net.exec(lab.OUTSIDE, "iperf3", "-c", address, "-p", str(IPERF_PORT), "-n", amount, "-A", cores, "-J",
                            *(["-R"] if reverse else []))
    softirq = softirq_seconds() - softirq
    end = json.loads(output)["end"]
    used, seconds = end["cpu_utilization_percent"], end["sum_received"]["seconds"]
    gigabits = end["sum_received"]["bytes"] * 8 / 1e9
    return gigabits / seconds, gigabits / ((used["host_total"] + used["remote_total"]) / 100 * seconds + softirq)


def load_iperf(bench, variant):
    bench.flush()
    if variant == "iptables":
        bench.contained("iptables-nft-restore", bench.files["iperf"])
    elif variant != "none":
        bench.up(config(f"{IPERF_PORT}/tcp", f"{PACKET_PORT}/tcp"))
    if variant == "uncounted":
        bench.contained("nft", "flush chain inet casement count")


def throughput_round(bench, values, number):
    for case, (cores, amount) in CASES.items():
        for turn in range(THROUGHPUT_TURNS):
            for variant in rotated(VARIANTS, number * THROUGHPUT_TURNS + turn):
                load_iperf(bench, variant)
                address = lab.GUEST4 if variant == "none" else lab.CONTAINER4
                for way, reverse in WAYS.items():
                    rate, rate_of_core = iperf(bench, address, cores, amount, reverse)
                    values[case, way, variant].append(rate)
                    values[case, way, variant, "core"].append(rate_of_core)


def read_round(bench, values, _number):
    """10,000 forwards, of which each has had a connection."""
    bench.load("up", MANY)
    connect(bench, lab.CONTAINER4, 1, MANY, MANY)
    output = bench.contained(bench.helpers["apply"], "keep", str(MANY), "5")
    *lines, counters = output.splitlines()
    if counters != f"counters\t{2 * MANY}":
        raise RuntimeError(f"not every connection was counted both ways: {counters}")
    bench.samples(values, "\n".join(lines), prefix=("busy",))


def line(label, values, unit="ms", places=3):
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"  {label:44} {middle:9.{places}f} {unit:6} {low:9.{places}f} .. {high:.{places}f}")


def print_apply(values):
    print("\nApplying: ms, medians, by the number of forwards")
    print(f"  {'':40}" + "".join(f"{n:>11,}" for n in SIZES))
    for key, label in [(name, f"in-process: {name}") for name in (
            "apply, no table yet", "apply, other rules", "apply, nothing to do", "one forward more", "one forward less",
            "read counters", "foreign change elsewhere", "foreign change, one put back")] + [
                ("up", "casement-netfw up"), ("map", "nft -f, our table, maps"), ("rules", "nft -f, our table, a rule each"),
                ("restore", "iptables-nft-restore"), ("loop", "iptables-nft -A, one by one")]:
        print(f"  {label:40}" + "".join(f"{statistics.median(values[n, key]):11.3f}" for n in SIZES))
    print(f"  (one by one above {LOOP_MAX:,}: once)")


def print_add(values):
    print(f"\nOne forward more at {MANY:,}, by programs")
    for key, label in (("up", "casement-netfw up"), ("element", "nft add element"), ("rule", "nft add rule"),
                       ("iptables", "iptables-nft -A")):
        line(label, values[key])


def print_connect(values):
    print("\nconnect() from outside, through the last forward")
    line("without rules, to the guest itself", values["none", 0], places=4)
    for kind, label in CONNECTED.items():
        for n in (1, MANY):
            line(f"{label}, {n:,}", values[kind, n], places=4)
        ratio = statistics.median(values[kind, MANY]) / statistics.median(values[kind, 1])
        print(f"  {label}: {MANY:,} cost {ratio:.2f} x one")


def print_packet(values):
    print("\nOne packet of a TCP connection that is there: ns of a core, median; what the rules add, median and quartiles")
    for case in PACKETS:
        for way in WAYS:
            print(f"  {case}, {way}")
            plain = values[case, way, "none"]
            for variant, label in VARIANTS.items():
                times = values[case, way, variant]
                low, middle, high = statistics.quantiles((mine - others for mine, others in zip(times, plain)), n=4)
                print(f"    {label:42} {statistics.median(times):7.0f}   {middle:6.0f}  ({low:.0f} .. {high:.0f})")


def print_throughput(values):
    """What others take of the cores changes the rate, but hardly what a second of a core is good for: the ratio is of that,
    within each turn."""
    print("\nThroughput of one TCP connection: Gbit/s; Gbit for each second of a core; that as a ratio: median, quartiles")
    for case in CASES:
        for way in WAYS:
            print(f"  {case}, {way}")
            plain = values[case, way, "none", "core"]
            for variant, label in VARIANTS.items():
                rates, of_core = values[case, way, variant], values[case, way, variant, "core"]
                low, middle, high = statistics.quantiles((mine / others for mine, others in zip(of_core, plain)), n=4)
                print(f"    {label:42} {statistics.median(rates):6.2f}   {statistics.median(of_core):6.2f}   {middle:6.3f}"
                      f"  ({low:5.3f} .. {high:5.3f})")


def print_read(values):
    print(f"\nReading, {MANY:,} forwards, {2 * MANY:,} counters that have counted")
    for (_, name), times in values.items():
        line(f"in-process: {name}", times)


# In this order: `up` looks through the tracked connections, and those of "read" and "connect" end during "throughput".
PARTS = {"apply": (apply_round, print_apply), "add": (add_round, print_add), "read": (read_round, print_read),
         "connect": (connect_round, print_connect), "packet": (packet_round, print_packet),
         "throughput": (throughput_round, print_throughput)}


def build(directory):
    """The program and the helpers; {name: path} of the latter."""
    tree = pathlib.Path(os.environ.get("CASEMENT_BUILD", directory / "build")).resolve()
    if "CASEMENT_BUILD" not in os.environ:
        lab.run("meson", "setup", str(tree), str(TOP))
    subprocess.run(["ninja", "-C", str(tree)], check=True, stdout=subprocess.DEVNULL)
    lab.PROGRAM = tree / "netfw" / "casement-netfw"
    for name in HELPERS:
        lab.run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-I", str(TOP), "-o",
                str(directory / name), str(TOP / "tests" / "bench" / "netfw" / f"{name}.c"), str(tree / "netfw" / "libnetfw.a"),
                str(tree / "lib" / "libcasement.a"), "-lmnl", "-lnftnl")
    return {name: str(directory / name) for name in HELPERS}


def print_machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    tools = ", ".join(lab.run(name, "--version").split("\n")[0].split(" (")[0] for name in ("nft", "iptables-nft", "iperf3"))
    print(f"Linux {platform.release()}, {os.cpu_count()} cores, {cpu[1] if cpu else platform.machine()}; {tools}")


def measure(bench, parts, rounds):
    values = {part: collections.defaultdict(list) for part in parts}
    bench.net.add(SCRATCH)
    bench.up(ports(1))
    bench.plug()
    bench.net.ip(lab.OUTSIDE, "route", "add", f"{lab.GUEST4}/32", "via", lab.CONTAINER4)
    server = subprocess.Popen(
        ["ip", "netns", "exec", bench.net.prefix + lab.GUEST, "iperf3", "-s", "-p", str(IPERF_PORT)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for number in range(rounds):
            for part in parts:
                print(f"round {number + 1} of {rounds}: {part}", file=sys.stderr)
                PARTS[part][0](bench, values[part], number)
    finally:
        server.terminate()
        server.wait()
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    # Ended from outside, it removes what it made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parts = [options.only] if options.only else list(PARTS)
    with tempfile.TemporaryDirectory(prefix="netfw-bench-") as directory:
        helpers = build(pathlib.Path(directory))
        before = os.getloadavg()
        try:
            Bench.setUpClass()
            Bench.prepare(helpers)
            values = measure(Bench, parts, options.rounds)
        finally:
            Bench.doClassCleanups()
    print_machine()
    print(f"{options.rounds} rounds; load {before[0]:.2f} before, {os.getloadavg()[0]:.2f} after")
    for part in parts:
        PARTS[part][1](values[part])


if __name__ == "__main__":
    main()
