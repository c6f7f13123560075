"""A container, its guest and the outside world as network namespaces, and casement-netfw run in the middle one.

    outside 172.30.0.9 ─── eth0 172.30.0.2 container virbr1 192.168.121.1 ─── g0 192.168.121.68 guest
            fd30::9             fd30::2                                            (the address that was chosen)

No namespace has a way out of the machine. The program runs as it does in Docker: root with NET_ADMIN as its only capability,
/proc/sys read-only, a /run of its own. Sockets are made in a namespace and used from the test's own threads.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CASEMENT_BUILD", TOP / "build"))
PROGRAM = BUILD / "netfw" / "casement-netfw"

OUTSIDE, CONTAINER, GUEST = "outside", "container", "guest"
OUTSIDE4, CONTAINER4, GUEST4, BRIDGE4 = "172.30.0.9", "172.30.0.2", "192.168.121.68", "192.168.121.1"
OUTSIDE6, CONTAINER6 = "fd30::9", "fd30::2"
GUEST_MAC = "52:54:00:12:34:56"

# How long something that must happen may take on a busy machine, and how long to wait for what must not.
SOON = 30
NEVER = 0.5

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True, **keywords):
    """A command's output; a failure shows what it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                          **keywords)
    if check and done.returncode:
        raise AssertionError(f"{shlex.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def until(what, question):
    """The first true answer to question()."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {SOON} s: {what}")


class Namespaces:
    """Network namespaces with names of our own, gone afterwards whatever happens."""

    def __init__(self, test):
        self.prefix = f"netfw-{os.getpid()}-"
        self.test = test

    def add(self, name):
        run("ip", "netns", "add", self.prefix + name)
        self.test.addClassCleanup(self.remove, name)
        run("ip", "-n", self.prefix + name, "link", "set", "lo", "up")

    def remove(self, name):
        run("ip", "netns", "del", self.prefix + name, check=False)

    def ip(self, name, *arguments, check=True):
        return run("ip", "-n", self.prefix + name, *arguments, check=check)

    def exec(self, name, *command, check=True, **keywords):
        return run("ip", "netns", "exec", self.prefix + name, *command, check=check, **keywords)

    def sysctl(self, name, key, value):
        self.exec(name, "sysctl", "-qw", f"{key}={value}")

    def path(self, name):
        return f"/run/netns/{self.prefix}{name}"

    @contextlib.contextmanager
    def inside(self, name):
        """This thread, and the sockets that it makes, in that namespace."""
        with open("/proc/thread-self/ns/net") as here, open(self.path(name)) as there:
            self.enter(there)
            try:
                yield
            finally:
                self.enter(here)

    @staticmethod
    def enter(file):
        if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def socket(self, name, address, kind=socket.SOCK_STREAM):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.inside(name):
            made = socket.socket(family, kind)
        made.settimeout(SOON)
        return made


class Server:
    """Answers every connection or datagram with `NAME PORT PEER`, then echoes."""

    def __init__(self, namespaces, name, address, port, kind=socket.SOCK_STREAM):
        self.name, self.port, self.kind = name, port, kind
        self.socket = namespaces.socket(name, address, kind)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.bind((address, port))
        if kind == socket.SOCK_STREAM:
            self.socket.listen()
        target = self.serve_tcp if kind == socket.SOCK_STREAM else self.serve_udp
        threading.Thread(target=target, daemon=True).start()

    def greeting(self, peer):
        return f"{self.name} {self.port} {peer[0]}\n".encode()

    def serve_tcp(self):
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(connection, peer), daemon=True).start()

    def echo(self, connection, peer):
        with connection, contextlib.suppress(OSError):
            connection.sendall(self.greeting(peer))
            while data := connection.recv(65536):
                connection.sendall(data)

    def serve_udp(self):
        while True:
            try:
                _, peer = self.socket.recvfrom(65536)
                if not peer:  # close() woke it
                    return
                self.socket.sendto(self.greeting(peer), peer)
            except OSError:
                return

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Listener:
    """PID 1's end of sd_notify: fields as they came in, and the table of forwards that was handed over last."""

    HEADER, ROW = struct.Struct("<QIIIIQ"), struct.Struct("<BBHHHQQQQ")

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(SOON)
        self.fields, self.table_fd = {}, None

    def take(self):
        """One datagram; its fields."""
        data, fds, _, _ = socket.recv_fds(self.socket, 65536, 4)
        fields = dict(line.split("=", 1) for line in data.decode().splitlines())
        if fds:
            assert fields == {"FDSTORE": "1", "FDNAME": "forwards"} and len(fds) == 1, (fields, fds)
            if self.table_fd is not None:
                os.close(self.table_fd)
            self.table_fd = fds[0]
        self.fields.update(fields)
        return fields

    def until(self, name, value=None):
        """The fields of the next datagram that has @name, with that @value if one is given."""
        while True:
            fields = self.take()
            if name in fields and value in (None, fields[name]):
                return fields

    def table(self):
        """{(proto, listen_first, listen_last, guest_first, all): (packets in, bytes in, packets out, bytes out)}, repairs"""
        header = self.HEADER.unpack(os.pread(self.table_fd, self.HEADER.size, 0))
        rows = {}
        for i in range(header[2]):
            row = self.ROW.unpack(os.pread(self.table_fd, self.ROW.size, self.HEADER.size + i * self.ROW.size))
            rows[{6: "tcp", 17: "udp"}[row[0]], row[2], row[3], row[4], bool(row[1])] = row[5:]
        return rows, header[5]

    def close(self):
        self.socket.close()
        if self.table_fd is not None:
            os.close(self.table_fd)
        os.unlink(self.path)


class Keeper:
    """`casement-netfw run` in the container."""

    def __init__(self, test, text, environment=None):
        self.test = test
        self.listener = Listener(os.path.join(test.run_directory, "notify"))
        self.log_path = os.path.join(test.run_directory, "keeper.log")
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(test.command("run", text), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": "/run/notify",
                                                 **(environment or {})})
        try:
            self.listener.until("READY")
        except TimeoutError:
            raise AssertionError(f"not ready\n{self.log()}") from None

    def log(self):
        return pathlib.Path(self.log_path).read_text(encoding="utf-8")

    def reload(self, text):
        """A new configuration, and SIGHUP; the fields of the answer."""
        self.test.configure(text)
        self.process.send_signal(signal.SIGHUP)
        self.listener.until("RELOADING")
        return self.listener.until("READY")

    def stop(self):
        """Its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(SOON)
        finally:
            self.process.kill()
            self.listener.close()


class Lab(unittest.TestCase):
    """The namespaces of one class of tests; nothing is up yet."""

    ipv6 = True

    @classmethod
    def setUpClass(cls):
        if not PROGRAM.exists():
            raise AssertionError(f"{PROGRAM} is missing: build it, and set CASEMENT_BUILD to the build directory")
        cls.run_directory = tempfile.mkdtemp(prefix="netfw-")
        cls.addClassCleanup(shutil.rmtree, cls.run_directory)
        cls.net = Namespaces(cls)
        for name in (OUTSIDE, CONTAINER, GUEST):
            cls.net.add(name)
        cls.sysctls()
        cls.cable(OUTSIDE, "o0", CONTAINER, "eth0", "02:00:00:00:00:09")
        for name, device, address4, address6 in ((OUTSIDE, "o0", OUTSIDE4, OUTSIDE6),
                                                 (CONTAINER, "eth0", CONTAINER4, CONTAINER6)):
            cls.net.ip(name, "addr", "add", f"{address4}/24", "dev", device)
            if cls.ipv6:
                cls.net.ip(name, "addr", "add", f"{address6}/64", "dev", device, "nodad")
            # The kernel adds the link-local one by itself, a moment after the cable: nobody's change.
            until(f"the link-local address of {device}", lambda n=name, d=device: "fe80:" in cls.net.ip(n, "addr", "show", "dev", d))

    @classmethod
    def sysctls(cls):
        """What a container may find; forwarding of IPv4 is off, so that it is the program that switches it on."""
        cls.net.sysctl(CONTAINER, "net.ipv4.ip_forward", 0)
        cls.net.sysctl(CONTAINER, "net.ipv6.conf.all.forwarding", 1)
        # Where br_netfilter is loaded it is on in every new namespace; test_bridge.py is about that.
        cls.net.exec(CONTAINER, "sh", "-c", "for f in /proc/sys/net/bridge/bridge-nf-call-*; do "
                     "if [ -e $f ]; then echo 0 > $f; fi; done")

    @classmethod
    def cable(cls, name, device, other, other_device, mac):
        run("ip", "link", "add", device, "netns", cls.net.prefix + name, "address", mac, "type", "veth",
            "peer", "name", other_device, "netns", cls.net.prefix + other)
        cls.net.ip(name, "link", "set", device, "up")
        cls.net.ip(other, "link", "set", other_device, "up")

    @classmethod
    def configure(cls, text):
        pathlib.Path(cls.run_directory, "netfw.conf").write_text(f"[guest]\nmac = {GUEST_MAC}\n{text}", encoding="utf-8")

    @classmethod
    def command(cls, verb, text, capabilities="-all,+net_admin", options=(), wrapper=()):
        """The program in the container as Docker would run it."""
        cls.configure(text)
        script = (f"mount --bind {cls.run_directory} /run && mount -o bind,ro /proc/sys /proc/sys && "
                  f"exec setpriv --inh-caps=-all --bounding-set={capabilities} --no-new-privs "
                  f"{shlex.join(wrapper)} {PROGRAM} --config /run/netfw.conf {shlex.join(options)} {verb}")
        return ["nsenter", f"--net={cls.net.path(CONTAINER)}", "unshare", "--mount", "sh", "-c", script]

    @classmethod
    def netfw(cls, verb, text="", code=0, environment=None, **keywords):
        """Run it; what it says, on both of its outputs."""
        done = subprocess.run(cls.command(verb, text, **keywords), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False, env={"PATH": os.environ["PATH"], **(environment or {})})
        if done.returncode != code:
            raise AssertionError(f"casement-netfw {verb}: exit code {done.returncode} instead of {code}\n"
                                 f"{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    @classmethod
    def up(cls, text="", **keywords):
        return cls.netfw("up", text, **keywords)

    def keep(self, text="", **keywords):
        """Start `run`, which ends with the test."""
        keeper = Keeper(self, text, **keywords)
        self.addCleanup(lambda: keeper.process.poll() is None and keeper.stop())
        return keeper

    @classmethod
    def plug(cls, name=GUEST, device="g0", port="vnet0", address=f"{GUEST4}/24", mac=GUEST_MAC):
        """Plug a namespace into the bridge, as libvirt plugs a guest's tap."""
        cls.cable(name, device, CONTAINER, port, mac)
        cls.net.ip(CONTAINER, "link", "set", port, "master", "virbr1")
        if address:
            cls.net.ip(name, "addr", "add", address, "dev", device)
            cls.net.ip(name, "route", "add", "default", "via", BRIDGE4)

    @classmethod
    def plug6(cls, device="g0"):
        """The guest's IPv6 address and route, as they stand in the file for casement-guest."""
        info = cls.netinfo()
        cls.net.ip(GUEST, "addr", "add", f"{info['guest-address6']}/{info['prefix6']}", "dev", device, "nodad")
        cls.net.ip(GUEST, "-6", "route", "add", "default", "via", info["address6"])
        return info["guest-address6"]

    @classmethod
    def file(cls, name):
        return pathlib.Path(cls.run_directory, "casement", name)

    @classmethod
    def netinfo(cls):
        return dict(re.findall(r"^(\S+) = (.*)$", cls.file("network.conf").read_text(), re.MULTILINE))

    @classmethod
    def table(cls):
        """Our table as nft lists it, elements in one order and counters at zero."""
        return canonical(cls.net.exec(CONTAINER, "nft", "list", "table", "inet", "casement", check=False))

    def serve(self, name, address, port, kind=socket.SOCK_STREAM):
        server = Server(self.net, name, address, port, kind)
        self.addCleanup(server.close)
        return server

    def ask_tcp(self, name, address, port, timeout=SOON):
        """The greeting that a connection gets: (server, port, peer as the server sees it)."""
        with self.net.socket(name, address) as client:
            client.settimeout(timeout)
            client.connect((address, port))
            return self.answer(client.makefile().readline())

    def ask_udp(self, name, address, port, timeout=SOON):
        with self.net.socket(name, address, socket.SOCK_DGRAM) as client:
            client.settimeout(timeout)
            client.connect((address, port))
            client.send(b"?")
            return self.answer(client.recv(1000).decode())

    @staticmethod
    def answer(text):
        words = text.split()
        if len(words) != 3:
            raise AssertionError(f"the server said {text!r}")
        return words[0], int(words[1]), words[2]

    def packets(self, direction, proto, port):
        """What the kernel has counted of a single port: packets and bytes."""
        key = f"{direction} . {proto} . {port}"
        text = self.net.exec(CONTAINER, "nft", "list", "set", "inet", "casement", "count_ports")
        found = re.search(rf"{re.escape(key)} counter packets (\d+) bytes (\d+)", text)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def assert_silent(self, ask, *arguments):
        with self.assertRaises(TimeoutError):
            ask(*arguments, timeout=NEVER)


def canonical(text):
    """nft orders a set's elements by their bytes; here they are sorted by their text, one a line. Counters are at zero, and
    the elements of the set that packets fill are left out."""
    def order(match):
        elements = sorted(re.split(r",\s*", match[1].strip()))
        return "elements = { " + ",\n".join(elements) + " }"

    text = re.sub(r"packets \d+ bytes \d+", "packets 0 bytes 0", text)
    text = re.sub(r"(set count_ports \{[^{}]*?)\n\t\telements = \{.*?\}", r"\1", text, flags=re.DOTALL)
    return re.sub(r"elements = \{(.*?)\}", order, text, flags=re.DOTALL)
