"""PID 1 of a world: mounts, a bridge, then a supervisor that does what it is told on stdin and tells what happens on stdout.

In, one JSON object a line: {"spawn": NAME, "argv": [...], "env": {...}}, {"kill": PID, "signal": N, "value": V}. Out, a list
of objects a line, each with "at" (CLOCK_MONOTONIC): {"started": NAME, "pid": PID}, {"exited": NAME or null, "pid": PID, "status":
WAIT_STATUS}, {"notify": TEXT}, {"line": TEXT, "from": NAME} for what a program writes.

Whoever hears of one thing has heard of all that came before it: a program's line, its message and its end come by ways of their
own, and are told together once nothing more is there.

Like casement it tells the keeper by SIGUSR1 how QEMU ended.
"""
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

TOP = sys.argv[1]
BASE = sys.argv[2]
QEMU_UID = 64055
libc = ctypes.CDLL(None, use_errno=True)


def sh(command):
    subprocess.run(command, shell=True, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def private(path, mode=0o755):
    """An empty directory of this world's own at @path."""
    own = BASE + "/dirs/" + path.strip("/").replace("/", "-")
    os.makedirs(own, exist_ok=True)
    os.chmod(own, mode)
    os.makedirs(path, exist_ok=True)
    sh(f"mount --bind {own} {path}")


def make_users():
    """QEMU's user, on machines that only have libvirt's programs."""
    users = open("/etc/passwd", encoding="utf-8").read()
    groups = open("/etc/group", encoding="utf-8").read()
    if "\nkvm:" not in groups:
        groups += "kvm:x:64056:\n"
    kvm = [line.split(":")[2] for line in groups.splitlines() if line.startswith("kvm:")][0]
    if "\nlibvirt-qemu:" not in users:
        users += f"libvirt-qemu:x:{QEMU_UID}:{kvm}:QEMU:/var/lib/libvirt:/usr/sbin/nologin\n"
    if "\nlibvirt-qemu:" not in groups:
        groups += f"libvirt-qemu:x:{QEMU_UID}:\n"
    for name, text in (("passwd", users), ("group", groups)):
        with open(f"{BASE}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
        sh(f"mount --bind {BASE}/{name} /etc/{name}")
    # KVM as an unprivileged QEMU may use it, without touching the host's node.
    if os.path.exists("/dev/kvm"):
        os.mknod(f"{BASE}/kvm", 0o20660, os.stat("/dev/kvm").st_rdev)
        os.chmod(f"{BASE}/kvm", 0o660)  # unreadable for QEMU, libvirtd would ask QEMU anew for each definition: 20 s
        os.chown(f"{BASE}/kvm", 0, int(kvm))
        sh(f"mount --bind {BASE}/kvm /dev/kvm")


def make_world():
    sh("mount --make-rprivate /")
    sh(f"mount -t tmpfs -o mode=755 none {BASE}")
    for path in ("/run", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/var/log/casement", "/var/log/swtpm",
                 "/etc/libvirt", "/storage", "/images"):
        private(path)
    make_users()
    sh(f"cp {TOP}/docker/libvirt/* /etc/libvirt/")
    sh("mount -t devpts devpts /dev/pts -o newinstance,ptmxmode=0666,mode=620 && mount --bind /dev/pts/ptmx /dev/ptmx")
    os.makedirs("/run/casement")
    os.makedirs("/run/lock")
    sh("ip link set lo up; ip link add virbr1 type bridge; ip addr add 192.168.121.1/24 dev virbr1; ip link set virbr1 up")
    with open("/run/casement/network.conf", "w", encoding="ascii") as file:
        file.write("[network]\nbridge = virbr1\naddress = 192.168.121.1\nprefix = 24\nguest-address = 192.168.121.68\n"
                   "mtu = 1500\n")


class Supervisor:
    # Who never stops talking has to be told of, too.
    LOOKS = 8

    def __init__(self):
        self.poll = select.poll()
        self.names = {}
        self.outputs = {}
        self.news = []
        self.qemu = None
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.notify.bind("/run/notify.sock")
        self.wake, wake = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.commands = b""
        for source in (0, self.wake, self.notify):
            self.poll.register(source, select.POLLIN)

    def say(self, **what):
        self.news.append({**what, "at": time.monotonic()})

    def tell(self):
        sys.stdout.write(json.dumps(self.news) + "\n")
        sys.stdout.flush()
        self.news = []

    def spawn(self, name, argv, env):
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        # The variables of the test run itself would be configuration.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CASEMENT_")}
        environment["NOTIFY_SOCKET"] = "/run/notify.sock" if name == "keeper" else ""
        environment.update(env)
        child = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
        child.returncode = 0  # reaped by take_ends() alone
        os.close(writer)
        self.names[child.pid] = name
        self.outputs[reader] = (name, b"")
        self.poll.register(reader, select.POLLIN)
        self.say(started=name, pid=child.pid)

    def take_output(self, reader):
        name, rest = self.outputs[reader]
        try:
            data = os.read(reader, 65536)
        except BlockingIOError:
            return
        if not data:
            self.poll.unregister(reader)
            del self.outputs[reader]
            os.close(reader)
            return
        *lines, rest = (rest + data).split(b"\n")
        self.outputs[reader] = (name, rest)
        for line in lines:
            self.say(line=line.decode(errors="replace"), **{"from": name})

    def take_notes(self):
        while True:
            try:
                text = self.notify.recv(65536).decode(errors="replace")
            except BlockingIOError:
                return
            for line in text.splitlines():
                if line.startswith("X_CASEMENT_GUEST_PID="):
                    self.qemu = int(line.partition("=")[2])
            self.say(notify=text)

    def queue(self, pid, number, value):
        libc.sigqueue(pid, number, ctypes.c_void_p(value))

    def take_ends(self):
        """Return: the (pid, wait status) of all that are dead."""
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            ended.append((pid, status))

    def say_ends(self, ended):
        # Who waits for the end of a keeper may look at how its guest ended, which it saw before.
        for pid, status in sorted(ended, key=lambda end: end[0] in self.names):
            self.say(exited=self.names.pop(pid, None), pid=pid, status=status)
            if pid == self.qemu:
                for keeper in [p for p, name in self.names.items() if name == "keeper"]:
                    self.queue(keeper, signal.SIGUSR1, status)

    def take_commands(self):
        data = os.read(0, 65536)
        if not data:
            sys.exit(0)
        *lines, self.commands = (self.commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "spawn" in command:
                self.spawn(command["spawn"], command["argv"], command["env"])
            else:
                self.say(killed=command["kill"], signal=command["signal"])
                self.queue(command["kill"], command["signal"], command["value"])

    def take(self, ready):
        """What is there. Of those who are dead by now, also what they said last; of whoever is heard, what was said before."""
        if self.wake in ready:
            os.read(self.wake, 4096)
        ended = self.take_ends()
        self.take_notes()
        for reader in list(self.outputs):
            self.take_output(reader)
        self.take_notes()
        self.say_ends(ended)
        if 0 in ready:
            self.take_commands()

    def run(self):
        self.say(ready=True)
        self.tell()
        while True:
            ready = self.poll.poll()
            for _ in range(self.LOOKS):
                self.take({fd for fd, _ in ready})
                ready = self.poll.poll(0)
                if not ready:
                    break
            if self.news:
                self.tell()


make_world()
Supervisor().run()
