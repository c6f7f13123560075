"""Worlds for casement-guest: real virtlogd, libvirtd, QEMU, swtpm and dnsmasq in namespaces of their own.

A world has its own mounts (/run, /etc/libvirt, /storage, ...), processes and network, the bridge of which leads nowhere. It
ends with the test, whatever that leaves behind, because its PID 1 does.
"""
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CASEMENT_BUILD", TOP / "build"))
KEEPER = BUILD / "init/guest/casement-guest"
ADDRESS = "192.168.121.68"
# A noisy machine with two cores boots mini in 3 to 10 s without KVM.
BOOT = 120

MINI = {
    "CASEMENT_GUEST_ACCEL": "tcg",
    "CASEMENT_GUEST_PROFILE": "linux",
    "CASEMENT_GUEST_MEMORY": "256M",
    "CASEMENT_GUEST_CPUS": "1",
    "CASEMENT_LOG_LEVEL": "debug",
    "CASEMENT_STOP_TIMEOUT": "30s",
}


@functools.lru_cache(maxsize=None)
def guest_image(name):
    output = subprocess.run([str(TOP / "tests/guests/build"), name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            text=True, timeout=900, check=True).stdout
    return pathlib.Path(output.strip())


class Process:
    """A program in a world, by the messages about it."""

    def __init__(self, world, name, start):
        self.world, self.name, self.start = world, name, start
        self.pid = world.messages[start]["pid"]
        self.end = None

    def mine(self):
        """The messages from its start to its end: what comes later another one of its name may have said."""
        messages = self.world.messages[self.start:self.end]
        if self.end is None:
            for i, message in enumerate(messages):
                if message.get("pid") == self.pid and "exited" in message:
                    self.end = self.start + i + 1
                    return messages[:i + 1]
        return messages

    def lines(self):
        return [m["line"] for m in self.mine() if m.get("from") == self.name]

    def last_line(self):
        """The last one that is said without being asked: libvirt's own troubles, at level debug, may come later."""
        return [line for line in self.lines() if not line.startswith("<7>")][-1]

    def log(self):
        return "\n".join(self.lines())

    def status(self):
        """Its wait status, or None while it runs."""
        messages = self.mine()
        return messages[-1]["status"] if self.end else None

    def wait(self, seconds=BOOT):
        self.world.until(f"the end of {self.name}", seconds, lambda: self.status() is not None)
        return os.waitstatus_to_exitcode(self.status())

    def wait_line(self, part, seconds=BOOT):
        self.world.until(f"a line with '{part}'", seconds, lambda: any(part in line for line in self.lines()))

    def kill(self, number=signal.SIGKILL, value=0):
        self.world.kill(self.pid, number, value)


class Keeper(Process):
    """casement-guest, and what it reports."""

    def fields(self):
        """What PID 1 would know now."""
        known = {}
        for message in self.mine():
            for line in message.get("notify", "").splitlines():
                key, _, value = line.partition("=")
                known[key.removeprefix("X_CASEMENT_")] = value
        return known

    def when(self, key, value):
        """When it first reported that."""
        for message in self.mine():
            if f"X_CASEMENT_{key}={value}" in message.get("notify", "").splitlines() or \
                    f"{key}={value}" in message.get("notify", "").splitlines():
                return message["at"]
        return None

    def wait_field(self, key, value, seconds=BOOT):
        def explain():
            return f"{self.fields()}\n{self.log()}"

        self.world.until(f"{key}={value}", seconds, lambda: self.fields().get(key) == value or self.status() is not None,
                         explain)
        if self.fields().get(key) != value:
            raise AssertionError(f"ended before {key}={value}: {explain()}")

    def wait_answering(self):
        self.wait_field("RDP", "answering")

    @property
    def qemu(self):
        return int(self.fields().get("GUEST_PID", 0))


class World:
    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="casement-world.", dir="/tmp")
        self.messages = []
        self.changed = threading.Condition()
        self.errors = open(os.path.join(tempfile.gettempdir(), os.path.basename(self.base) + ".log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--net", "--mount-proc", "--kill-child", sys.executable,
             str(pathlib.Path(__file__).with_name("world_init.py")), str(TOP), self.base],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.until("the world", 30, lambda: any("ready" in m for m in self.messages))
        self.inner = self.find_inner()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.messages.extend(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.messages.append({"over": True})
            self.changed.notify_all()

    def find_inner(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return int(children.split()[0])

    def until(self, what, seconds, question, explain=lambda: ""):
        """Wait until question() is true; it is asked after each message, and now and then for what sends none."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                # This process may be what is late: what came true in time counts.
                late = time.monotonic() >= deadline
                if question():
                    return
                if any("over" in m for m in self.messages[-1:]):
                    self.errors.seek(0)
                    raise AssertionError(f"the world ended before {what}: {self.errors.read()}")
                if late:
                    raise AssertionError(f"not within {seconds} s: {what} {explain()}")
                self.changed.wait(min(0.2, max(0, deadline - time.monotonic())))

    def send(self, **command):
        self.process.stdin.write((json.dumps(command) + "\n").encode())
        self.process.stdin.flush()

    def spawn(self, name, *argv, kind=Process, **env):
        position = len(self.messages)
        self.send(spawn=name, argv=[str(argument) for argument in argv], env=env)

        def started():
            return [i for i in range(position, len(self.messages)) if self.messages[i].get("started") == name]

        self.until(f"the start of {name}", 30, started)
        return kind(self, name, started()[0])

    def kill(self, pid, number=signal.SIGKILL, value=0):
        self.send(kill=pid, signal=int(number), value=value)

    def command(self, *argv, timeout=60, check=True):
        """Run a command inside, and return its output."""
        done = subprocess.run(["nsenter", "-t", str(self.inner), "-m", "-p", "-n", *map(str, argv)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=timeout, check=False)
        if check and done.returncode:
            raise AssertionError(f"{argv}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def virsh(self, *arguments, **options):
        return self.command("virsh", "-q", "-c", "qemu:///system", *arguments, **options)

    def settle(self):
        """Wait until libvirtd is done with a guest that ended: the keeper leaves before that, and so does the container."""
        if self.virsh("list", "--all", "--name").split():
            # A change waits its turn behind what is under way.
            self.virsh("desc", "windows", "--config", "over")

    def path(self, path):
        """A file inside, as seen from here."""
        return pathlib.Path(f"/proc/{self.inner}/root{path}")

    def daemons(self):
        self.spawn("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--interface=virbr1",
                   "--bind-interfaces", "--dhcp-range=192.168.121.68,192.168.121.68", "--pid-file=",
                   "--dhcp-host=52:54:00:ca:5e:01,192.168.121.68", "--dhcp-leasefile=/run/leases", "--no-resolv",
                   "--no-hosts", "--user=root")
        self.virtlogd = self.spawn("virtlogd", "virtlogd", "--config", "/etc/libvirt/virtlogd.conf")
        self.until("virtlogd listens", 60, self.path("/run/libvirt/virtlogd-sock").exists)
        self.start_libvirtd()

    def start_libvirtd(self):
        self.libvirtd = self.spawn("libvirtd", "libvirtd", "--config", "/etc/libvirt/libvirtd.conf")
        deadline = time.monotonic() + 60
        while "QEMU" not in self.virsh("version", check=False):
            if time.monotonic() > deadline:
                raise AssertionError(self.libvirtd.log())
        return self.libvirtd

    def start(self, config="", **env):
        """Start casement-guest with an empty configuration file but for @config."""
        self.path("/run/casement/test.conf").write_text(config, encoding="utf-8")
        return self.spawn("keeper", KEEPER, "--config", "/run/casement/test.conf", kind=Keeper, **{**MINI, **env})

    def put_image(self, name, path):
        shutil.copyfile(guest_image(name), self.path(path))
        os.chmod(self.path(path), 0o644)

    def put_base(self, name):
        self.put_image(name, "/images/windows.qcow2")

    def control(self, word, port=9, timeout=30):
        """Tell mini what to do; port 10 is its journal."""
        code = f"import socket; s = socket.create_connection(('{ADDRESS}', {port}), {timeout}); s.sendall(b'{word}\\n'); print(s.recv(99))"
        return self.command("/usr/bin/python3", "-c", code)

    def wait_serial(self, text, count=1, seconds=BOOT):
        """Wait until the guest has said this so often: virtlogd writes it down, which may be after the guest's end."""
        self.until(f"'{text}' on the serial port", seconds, lambda: self.serial().count(text) >= count, self.serial)

    def serial(self):
        log = self.path("/var/log/casement/serial.log")
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def alive(self, pid):
        return self.path(f"/proc/{pid}").exists()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.reader.join()
        self.process.stdout.close()
        self.errors.close()
        os.unlink(self.errors.name)
        os.rmdir(self.base)


class WorldTest(unittest.TestCase):
    """One world for each class; each test leaves no guest behind."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)
        cls.world.daemons()

    def setUp(self):
        self.keepers = []

    def start(self, **options):
        keeper = self.world.start(**options)
        self.keepers.append(keeper)
        return keeper

    def tearDown(self):
        for keeper in self.keepers:
            if keeper.status() is None:
                keeper.kill(signal.SIGQUIT)
                keeper.wait()
        if self.world.libvirtd.status() is None:
            self.world.settle()
        self.world.command("sh", "-c", "rm -rf /storage/* /storage/.??* /var/log/casement/* /run/casement/guest.boots")
        outcome = self._outcome
        if outcome and any(error for _, error in getattr(outcome, "errors", [])):
            for keeper in self.keepers:
                print(keeper.log(), file=sys.stderr)

    def stop_cleanly(self, keeper):
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(), 0, keeper.log())
