#!/usr/bin/env python3
"""casement as PID 1 beside tini, dumb-init, catatonit and s6-svscan: memory, times, orphans, wake-ups, and early signals.

All run the same program (pid1/child.c) and are measured from outside (pid1/runner.c), interleaved round by round; the table
has medians. casement has a configuration with one simple service, which is that program.

    tests/bench/pid1_bench.py [--rounds N]

Makes a release build. Needs root, gcc, and Debian's packages tini,
dumb-init, catatonit and s6.

Memory is measured twice. "Beside others": all inits at once, with the machine's own libraries, which other processes map,
too: how large a share of libc's pages counts as an init's depends on how many those are. "Alone": each init for itself in a
root directory with copies of its files, which nobody else maps, so that every page counts in full.

All run in a CPU cgroup, as in a container. Outside of any the kernel schedules by session (sched(7), autogroup): an init that
leaves its program in its own session then competes with it, and one that gives it a session, as casement and s6 do, does not,
which makes it wake up more often while orphans come: 5 ms of CPU for 20,000.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CFLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra"]
INITS = {
    "tini": ["/usr/bin/tini", "--"],
    "dumb-init": ["/usr/bin/dumb-init", "--"],
    "catatonit": ["/usr/bin/catatonit", "--"],
    "s6-svscan": ["/usr/bin/s6-svscan"],
}
S6_SUPERVISE = "/usr/bin/s6-supervise"
# Name, runs in a round, and what each number of a line is.
TASKS = [
    ("life", 10, ["exec -> program's end -> end, ms"]),
    ("term", 8, ["SIGTERM -> program's handler, ms"]),
    ("window", 20, ["exec -> SIGTERM is kept, ms"]),
    ("lose", 8, [f"lost {us / 1000:g} ms after exec" for us in (0, 250, 500, 1000, 2000)]),
    ("orphans=20000", 1, ["20,000 orphans: ms", "20,000 orphans: CPU ms"]),
    ("backlog=5000", 1, ["backlog of 5,000: ms", "backlog of 5,000: CPU ms"]),
]
IDLE = 10


@contextlib.contextmanager
def cpu_cgroup():
    """The path of a new cgroup that has the CPU controller, in version 1 or 2 of cgroups."""
    top = "/sys/fs/cgroup"
    if os.path.exists(f"{top}/cpu"):
        top += "/cpu"
    else:
        with open(f"{top}/cgroup.subtree_control", "w", encoding="ascii") as file:
            file.write("+cpu")
    path = f"{top}/casement-bench.{os.getpid()}"
    os.mkdir(path)
    try:
        yield path
    finally:
        # After a failure an init may be about to die in it.
        with contextlib.suppress(OSError):
            os.rmdir(path)


class Bench:
    def __init__(self, directory, cgroup):
        self.directory, self.cgroup = directory, cgroup
        self.runner, self.child = self.compile("runner"), self.compile("child", "-static")
        self.shared = self.path("shared")
        with open(self.shared, "wb") as file:
            file.truncate(4096)
        scan = self.path("scan/m")
        os.makedirs(scan)
        shutil.copy(self.child, f"{scan}/run")
        self.config = self.path("conf")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(f"[service m]\nexec = {self.child}\nmain = yes\nrestart = no\n")
        self.commands = {"casement": [self.casement(), "--config", self.config]}
        self.commands |= {name: [*command, self.child] for name, command in INITS.items()}
        self.commands["s6-svscan"][-1] = self.path("scan")

    def path(self, name):
        return os.path.join(self.directory, name)

    def compile(self, name, *options):
        subprocess.run(["gcc", *CFLAGS, *options, "-o", self.path(name), f"{TOP}/tests/bench/pid1/{name}.c"], check=True)
        return self.path(name)

    def casement(self):
        build = self.path("build")
        for command in (["meson", "setup", build, TOP, "--buildtype=release", "-Dtests=disabled", f"--prefix={self.directory}"],
                        ["ninja", "-C", build, "init/pid1/casement", "init/pid1/casement-first"]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        os.mkdir(self.path("sbin"))
        # Copies that are on the disk: pages that were never written out would count as dirty.
        copy(os.path.join(build, "init/pid1/casement"), self.path("sbin/casement"))
        return copy(os.path.join(build, "init/pid1/casement-first"), self.path("casement-first"))

    def popen(self, task, runs, name, root="/", **options):
        # What begins with CASEMENT_ in the environment would be casement's configuration.
        script = 'echo $$ >"$1/cgroup.procs" && mount -t tmpfs tmpfs "$2/run" && shift 2 && exec "$@"'
        return subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", self.cgroup, root, self.runner, task, str(runs),
                                 self.shared, root, *self.commands[name]], text=True,
                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}, stdout=subprocess.PIPE, **options)

    def measure(self, task, runs, name):
        """A list of numbers for each run."""
        process = self.popen(task, runs, name)
        out, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{name}: {task} failed")
        return [[float(word) for word in line.split()] for line in out.splitlines()]

    @contextlib.contextmanager
    def held(self, name, root="/"):
        """A running init's processes, without the program's."""
        process = self.popen("hold", 1, name, root, stdin=subprocess.PIPE)
        try:
            pid = int(process.stdout.readline())
            end = time.monotonic() + 20
            while not any(program_of(found).endswith((self.child, self.path("scan/m/run"))) for found in descendants(pid)):
                if time.monotonic() > end:
                    raise RuntimeError(f"{name} does not start the program")
                time.sleep(0.01)
            yield [pid, *(found for found in descendants(pid) if program_of(found).endswith(S6_SUPERVISE))]
        finally:
            process.communicate()

    def make_root(self, name):
        """A root directory with copies of everything that this init needs. Return its path."""
        root = self.path(f"root-{name}")
        for directory in ("proc", "run", "dev", "etc", "tmp"):
            os.makedirs(f"{root}/{directory}")
        os.mknod(f"{root}/dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        with open(f"{root}/etc/group", "w", encoding="ascii") as file:
            file.write("casement:x:991:\n")
        further = {"casement": [self.path("sbin/casement")], "s6-svscan": [S6_SUPERVISE]}
        programs = [self.commands[name][0], *further.get(name, [])]
        files = {self.child, self.config, self.shared, *programs}
        for program in programs:
            files |= set(re.findall(r"(/\S+) \(", subprocess.run(["ldd", program], text=True, stdout=subprocess.PIPE,
                                                                stderr=subprocess.DEVNULL).stdout))
        for file in files:
            os.makedirs(os.path.dirname(root + file), exist_ok=True)
            copy(file, root + file)
        if name == "s6-svscan":
            os.makedirs(root + self.path("scan/m"))
            copy(self.child, root + self.path("scan/m/run"))
        return root


def copy(source, target):
    shutil.copy(source, target)
    with open(target, "rb") as file:
        os.fsync(file.fileno())
    return target


def descendants(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return children + [further for child in children for further in descendants(child)]


def program_of(pid):
    """Its path, below its root directory's."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def memory(pids):
    """RSS, PSS and private dirty of these processes together, kB."""
    sizes = {"Rss": 0, "Pss": 0, "Private_Dirty": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for key, size in re.findall(r"^(\w+): +(\d+) kB$", file.read(), re.M):
                if key in sizes:
                    sizes[key] += int(size)
    return sizes


def switches(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            total += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", file.read())))
    return total


def mappers_of_libc():
    """How many processes of the machine share libc's pages."""
    number = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            number += "/libc.so.6\n" in file.read()
    return number


def measure_idle(bench):
    """Memory beside others, and wake-ups, of all inits at the same time."""
    results = {}
    with contextlib.ExitStack() as stack:
        pids = {name: stack.enter_context(bench.held(name)) for name in bench.commands}
        time.sleep(1)
        sharing = mappers_of_libc()
        for name in pids:
            results[name] = {f"{key}, beside others, kB": size for key, size in memory(pids[name]).items()}
        before = {name: switches(pids[name]) for name in pids}
        time.sleep(IDLE)
        for name in pids:
            results[name][f"wake-ups in {IDLE} idle s"] = switches(pids[name]) - before[name]
    return results, sharing


def measure_alone(bench):
    results = {}
    for name in bench.commands:
        root = bench.make_root(name)
        with bench.held(name, root) as pids:
            time.sleep(0.5)
            results[name] = {f"{key}, alone, kB": size for key, size in memory(pids).items()}
    return results


def shown(label, values):
    if label.startswith("lost"):
        return f"{sum(values):.0f} of {len(values)}"
    value = statistics.median(values)
    if "CPU" in label or ": ms" in label:
        return f"{value:.0f} ({min(values):.0f} .. {max(values):.0f})"
    return f"{value:.2f}" if label.endswith("ms") else f"{value:.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="default: 5; one takes about 35 s")
    rounds = parser.parse_args().rounds
    # What else the machine does disturbs less, and all alike.
    os.nice(-10)
    begin = time.monotonic()
    load = [os.getloadavg()[0]]
    values = {}
    with tempfile.TemporaryDirectory(prefix="casement-bench.") as directory, cpu_cgroup() as cgroup:
        os.chmod(directory, 0o755)
        bench = Bench(directory, cgroup)
        names = list(bench.commands)
        idle, sharing = measure_idle(bench)
        for results in (idle, measure_alone(bench)):
            for name, found in results.items():
                for label, value in found.items():
                    values.setdefault(label, {}).setdefault(name, []).append(value)
        for number in range(rounds):
            for task, runs, labels in TASKS:
                # Not always the same one first.
                for name in names[number % len(names):] + names[:number % len(names)]:
                    if (task, name) == ("life", "s6-svscan"):
                        continue  # does not end with its program
                    for line in bench.measure(task, runs, name):
                        for label, value in zip(labels, line, strict=True):
                            scale = 1000 if task in ("life", "term", "window") else 1
                            values.setdefault(label, {}).setdefault(name, []).append(value / scale)
            load.append(os.getloadavg()[0])
    print("| medians | " + " | ".join(names) + " |")
    print("| --- |" + " ---: |" * len(names))
    for label, found in values.items():
        print(f"| {label} | " + " | ".join(shown(label, found[name]) if name in found else "–" for name in names) + " |")
    print(f"\n{rounds} rounds, {time.monotonic() - begin:.0f} s, load {min(load):.1f} .. {max(load):.1f}; {sharing} processes map "
          f"the machine's libc; Linux {os.uname().release}, {time.strftime('%Y-%m-%d')}")
    print(json.dumps(values), file=sys.stderr)


if __name__ == "__main__":
    main()
