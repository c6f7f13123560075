"""Containers of the real image, and the outside world that looks at them.

Every container, network and namespace is named casement-test-PID-N and carries the label casement-test=PID, so that a run
that was killed is cleaned up by the next one. Containers are on an --internal network: no packet leaves the machine, and
before anything is sent to a container's address, the route to it must lead to that network's bridge.

Waiting is for events: a line of the status socket's `watch`, the end of the container, a line of the guest's serial port.
"""
import contextlib
import ctypes
import functools
import io
import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("CASEMENT_IMAGE", "casement-test")
LABEL = "casement-test"
PREFIX = f"{LABEL}-{os.getpid()}"
# A noisy machine with two cores boots mini in 3 to 10 s without KVM.
BOOT = 120
numbers = itertools.count(1)

DEVICES = ("/dev/kvm", "/dev/net/tun")
# Enough for mini, deaf and button.
GUEST = {
    "CASEMENT_GUEST_ACCEL": "tcg",
    "CASEMENT_GUEST_PROFILE": "linux",
    "CASEMENT_GUEST_MEMORY": "256M",
    "CASEMENT_GUEST_CPUS": "1",
    "CASEMENT_NETWORK_FORWARDS": "3389 7/tcp 9/tcp",
}


def run(*command, timeout=60, check=True):
    """A command's output, standard error included."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, text=True, errors="replace", check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def docker(*arguments, timeout=60, check=True):
    return run("docker", *arguments, timeout=timeout, check=check).strip()


def until(what, seconds, question):
    """The first true answer to question(); for what has no event to wait for."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


@functools.lru_cache(maxsize=None)
def guest_image(name):
    output = subprocess.run([str(TOP / "tests/guests/build"), name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            text=True, timeout=900, check=True).stdout
    return pathlib.Path(output.strip())


def remove_leftovers():
    """What runs that no longer exist left behind."""
    for kind, listing in (("container", ["ps", "-a"]), ("network", ["network", "ls"]), ("image", ["images"])):
        found = docker(*listing, "-q", "--filter", f"label={LABEL}").split()
        for name in set(found):
            labels = ".Labels" if kind == "network" else ".Config.Labels"
            pid = docker("inspect", "-f", f'{{{{index {labels} "{LABEL}"}}}}', name, check=False)
            if not pid.isdigit() or os.path.exists(f"/proc/{pid}"):
                continue
            docker(*(["rm", "-f", "-v", name] if kind == "container" else
                     ["network", "rm", name] if kind == "network" else ["rmi", "-f", name]), check=False)
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        pid = name.removeprefix(f"{LABEL}-").split("-")[0]
        if name.startswith(f"{LABEL}-") and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            run("ip", "netns", "del", name, check=False)


class Network:
    """An --internal network of Docker's, in 198.18.0.0/15: addresses for test networks (RFC 2544) that nothing else has.

    Docker's own choice ends up in 192.168.0.0/16, where the guest's network is.
    """

    def __init__(self, subnet=None):
        number = next(numbers)
        self.name = f"{PREFIX}-{number}"
        self.bridge = f"ct{os.getpid()}n{number}"[:15]
        subnet = subnet or f"198.18.{(os.getpid() + number) % 256}.0/24"
        docker("network", "create", "--internal", "--label", f"{LABEL}={os.getpid()}", "--subnet", subnet,
               "-o", f"com.docker.network.bridge.name={self.bridge}", self.name)

    def check_route(self, address):
        """A packet to @address must not be able to leave the machine."""
        route = run("ip", "route", "get", address)
        if f" dev {self.bridge} " not in route:
            raise AssertionError(f"the route to {address} does not lead to {self.bridge}: {route}")

    def remove(self):
        docker("network", "rm", self.name, check=False)


class Container:
    """One container of casement. It is created by the constructor and started by start()."""

    def __init__(self, network, *, disk=None, storage=None, environment=None, devices=DEVICES, capabilities=("NET_ADMIN",), options=(),
                 command=(), image=IMAGE):
        self.name = f"{PREFIX}-{next(numbers)}"
        self.network = network
        self.own_storage = not storage
        self.storage = storage or pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir="/var/tmp"))
        self.storage.chmod(0o755)
        self._address = None
        try:
            if disk:
                self.put_disk(disk)
            variables = {**GUEST, **(environment or {})}
            docker("create", "--name", self.name, "--label", f"{LABEL}={os.getpid()}", "--network", network.name,
                   "-v", f"{self.storage}:/storage",
                   *(word for device in devices for word in ("--device", device)),
                   *(word for capability in capabilities for word in ("--cap-add", capability)),
                   *(word for key, value in variables.items() if value is not None for word in ("-e", f"{key}={value}")),
                   *options, image, *command)
        except BaseException:
            self.remove_storage()
            raise

    @property
    def disk(self):
        return self.storage / "windows.qcow2"

    def put_disk(self, source):
        shutil.copyfile(source, self.disk)
        self.disk.chmod(0o644)

    def start(self):
        docker("start", self.name)
        return self

    def remove(self):
        docker("rm", "-f", "-v", self.name, check=False)
        self.remove_storage()

    def remove_storage(self):
        if self.own_storage:
            shutil.rmtree(self.storage, ignore_errors=True)

    # What it is and says

    @property
    def pid(self):
        """PID 1 of the container, as the host numbers it."""
        pid = int(docker("inspect", "-f", "{{.State.Pid}}", self.name))
        if not pid:
            raise AssertionError(f"the container has ended\n{self.logs()}")
        return pid

    @property
    def running(self):
        return docker("inspect", "-f", "{{.State.Running}}", self.name) == "true"

    @property
    def address(self):
        if not self._address:
            self._address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)
            self.network.check_route(self._address)
        return self._address

    def logs(self):
        return docker("logs", self.name, check=False)

    def ctl(self, *arguments, check=True):
        return docker("exec", self.name, "casementctl", *arguments, check=check)

    def file(self, path):
        """A file of the container's, whether it runs or not; None if there is none."""
        done = subprocess.run(["docker", "cp", f"{self.name}:{path}", "-"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, check=False)
        if done.returncode:
            return None
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            return tar.extractfile(tar.getmembers()[0]).read().decode(errors="replace")

    def serial(self):
        return self.file("/var/log/casement/serial.log") or ""

    def events(self):
        """What the stand-in guest said on its serial port."""
        mark = "casement-guest-event: "
        return [line.split(mark, 1)[1].strip() for line in self.serial().splitlines() if mark in line]

    # Its processes, by the host's numbers

    def processes(self, name):
        """Pids of the container's processes whose program is @name."""
        namespace = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                command = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")[0].decode()
                if os.path.basename(command) == name and os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                    found.append(int(entry))
        return found

    def process(self, name):
        """The only one; what a daemon has forked goes by its name until it is another program."""
        deadline = time.monotonic() + 10
        while len(found := self.processes(name)) != 1:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(found)} processes are {name}\n{self.logs()}")
            time.sleep(0.05)
        return found[0]

    @property
    def qemu(self):
        """The guest's QEMU, by its number in the status: libvirtd may run others for a moment, to ask what they can do."""
        inner = self.status()["guest"]["pid"]
        for pid in self.processes("qemu-system-x86_64"):
            with contextlib.suppress(OSError):
                status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
                if re.search(rf"^NSpid:.*\t{inner}$", status, re.M):
                    return pid
        raise AssertionError(f"no QEMU is pid {inner}\n{self.logs()}")

    # Its status socket

    def status(self):
        with self.status_socket() as connection:
            connection.sendall(b"status\n")
            return json.loads(read_all(connection))

    def status_socket(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        try:
            connection.connect(f"/proc/{self.pid}/root/run/casement/status.sock")
        except BaseException:
            connection.close()
            raise
        return connection

    def wait_status(self, what, question, timeout=BOOT):
        """Follow `watch` until question(status) is true; that status."""
        deadline = time.monotonic() + timeout
        last = None
        while time.monotonic() < deadline:
            try:
                with self.status_socket() as connection:
                    connection.sendall(b"watch\n")
                    connection.settimeout(max(0.1, deadline - time.monotonic()))
                    for line in connection.makefile(encoding="utf-8"):
                        last = json.loads(line)
                        if question(last):
                            return last
                        if time.monotonic() > deadline:
                            break
            except (OSError, ValueError):
                pass
            if not self.running:
                break
            time.sleep(0.05)
        raise AssertionError(f"{f'not within {timeout} s' if self.running else 'ended before'}: {what}; last status: {json.dumps(last)}\n{self.logs()}\n"
                             f"serial port:\n{self.serial()[-2000:]}")

    def wait_ready(self, timeout=BOOT):
        return self.wait_status("ready", lambda status: status["state"] == "ready", timeout)

    def wait_exit(self, timeout=60):
        """The container's exit code."""
        try:
            return int(docker("wait", self.name, timeout=timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s\n{self.logs()}") from None

    def wait_event(self, event, timeout=BOOT, count=1):
        until(f"the guest says {event!r} {count} times", timeout, lambda: self.events().count(event) >= count)

    def stop(self, timeout=60):
        """docker stop; its exit code."""
        docker("stop", "-t", str(timeout), self.name, timeout=timeout + 30)
        return self.wait_exit(10)

    # The guest, through the container's address

    def connect(self, port, timeout=10):
        return socket.create_connection((self.address, port), timeout=timeout)

    def rdp(self, timeout=10):
        """A connection to the forwarded RDP port that has shaken hands."""
        connection = self.connect(3389, timeout)
        try:
            rdp_handshake(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def control(self, command):
        """A line to mini's control port; its answer."""
        with self.connect(9) as connection:
            connection.sendall(command.encode() + b"\n")
            with contextlib.suppress(OSError):
                return connection.makefile(encoding="utf-8", errors="replace").readline().strip()
        return ""


def read_all(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def read_exactly(connection, n):
    data = b""
    while len(data) < n:
        part = connection.recv(n - len(data))
        if not part:
            raise AssertionError(f"the connection ended after {len(data)} of {n} bytes")
        data += part
    return data


def rdp_handshake(connection):
    """A TPKT with an X.224 connection request that offers TLS and CredSSP; the answer must be a connection confirm."""
    request = bytes((1, 0, 8, 0, 3, 0, 0, 0))  # RDP_NEG_REQ: type, flags, length, protocols
    x224 = bytes((6 + len(request), 0xE0, 0, 0, 0, 0, 0)) + request
    connection.sendall(b"\x03\x00" + (4 + len(x224)).to_bytes(2, "big") + x224)
    version, reserved, *length = read_exactly(connection, 4)
    if version != 3 or reserved != 0:
        raise AssertionError(f"no TPKT: version {version}")
    answer = read_exactly(connection, int.from_bytes(bytes(length), "big") - 4)
    if answer[1] & 0xF0 != 0xD0:
        raise AssertionError(f"no connection confirm: {answer.hex()}")


def echo(connection, text=b"casement"):
    """Bytes there and back through a guest that echoes."""
    connection.sendall(text)
    answer = read_exactly(connection, len(text))
    if answer != text:
        raise AssertionError(f"sent {text!r}, got {answer!r}")


def set_network_namespace(descriptor):
    """setns(2) for the calling thread: Python 3.11 has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def qemu_uids(pid):
    """Real, effective, saved and file system user of a process, and its supplementary groups."""
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        key, _, value = line.partition(":")
        fields[key] = value.split()
    return [int(uid) for uid in fields["Uid"]], [int(group) for group in fields["Groups"]]


class SystemTest(unittest.TestCase):
    """A network for the class; containers are removed when the test, or the class, is done."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        remove_leftovers()
        cls.network = Network()
        cls.addClassCleanup(cls.network.remove)

    @classmethod
    def shared(cls, disk="mini", **options):
        """A container that the class' tests share."""
        container = Container(cls.network, disk=disk and guest_image(disk), **options)
        cls.addClassCleanup(container.remove)
        return container.start()

    def container(self, disk="mini", network=None, **options):
        container = Container(network or self.network, disk=disk and guest_image(disk), **options)
        self.addCleanup(container.remove)
        return container

    def assert_refused(self, container, code, *words, timeout=30):
        """The container ends by itself with @code, and one line of its log has all the words."""
        container.start()
        self.assertEqual(container.wait_exit(timeout), code, container.logs())
        log = container.logs()
        self.assertTrue(any(all(word in line for word in words) for line in log.splitlines()),
                        f"no line has all of {words}:\n{log}")
        return log
