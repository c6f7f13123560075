"""PID 1 of a world: mounts, a bridge, then a supervisor that does what it is told on stdin and tells what happens on stdout.

One JSON object a line. In: {"spawn": NAME, "argv": [...], "env": {...}}, {"kill": PID, "signal": N, "value": V}. Out, each
with "at" (CLOCK_MONOTONIC): {"started": NAME, "pid": PID}, {"exited": NAME or null, "pid": PID, "status": WAIT_STATUS},
{"notify": TEXT}, {"line": TEXT, "from": NAME} for what a program writes.

Like casement it tells the keeper by SIGUSR1 how QEMU ended.
"""
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

TOP = sys.argv[1]
BASE = sys.argv[2]
QEMU_UID = 64055
libc = ctypes.CDLL(None, use_errno=True)


def say(**what):
    what["at"] = time.monotonic()
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


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
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.names = {}
        self.qemu = None
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.notify.bind("/run/notify.sock")
        self.wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.commands = b""
        self.selector.register(0, selectors.EVENT_READ, self.on_command)
        self.selector.register(self.wake, selectors.EVENT_READ, self.on_child)
        self.selector.register(self.notify, selectors.EVENT_READ, self.on_notify)

    def spawn(self, name, argv, env):
        reader, writer = os.pipe()
        # The variables of the test run itself would be configuration.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CASEMENT_")}
        environment["NOTIFY_SOCKET"] = "/run/notify.sock" if name == "keeper" else ""
        environment.update(env)
        child = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
        child.returncode = 0  # reaped by on_child() alone
        os.close(writer)
        self.names[child.pid] = name
        state = {"rest": b""}
        self.selector.register(reader, selectors.EVENT_READ, lambda: self.on_output(reader, name, state))
        say(started=name, pid=child.pid)

    def on_output(self, reader, name, state):
        data = os.read(reader, 65536)
        if not data:
            self.selector.unregister(reader)
            os.close(reader)
            return
        *lines, state["rest"] = (state["rest"] + data).split(b"\n")
        for line in lines:
            say(line=line.decode(errors="replace"), **{"from": name})

    def queue(self, pid, number, value):
        libc.sigqueue(pid, number, ctypes.c_void_p(value))

    def on_child(self):
        os.read(self.wake, 4096)
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            ended.append((pid, status))
        # Who waits for the end of a keeper may look at what it said last, and at how its guest ended, which it saw before.
        while self.on_notify():
            pass
        for pid, status in sorted(ended, key=lambda end: end[0] in self.names):
            say(exited=self.names.pop(pid, None), pid=pid, status=status)
            if pid == self.qemu:
                for keeper in [p for p, name in self.names.items() if name == "keeper"]:
                    self.queue(keeper, signal.SIGUSR1, status)

    def on_notify(self):
        """Return: whether there was a message."""
        try:
            text = self.notify.recv(65536).decode(errors="replace")
        except BlockingIOError:
            return False
        for line in text.splitlines():
            if line.startswith("X_CASEMENT_GUEST_PID="):
                self.qemu = int(line.partition("=")[2])
        say(notify=text)
        return True

    def on_command(self):
        data = os.read(0, 65536)
        if not data:
            sys.exit(0)
        *lines, self.commands = (self.commands + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "spawn" in command:
                self.spawn(command["spawn"], command["argv"], command["env"])
            else:
                say(killed=command["kill"], signal=command["signal"])
                self.queue(command["kill"], command["signal"], command["value"])

    def run(self):
        say(ready=True)
        while True:
            for key, _ in self.selector.select():
                key.data()


make_world()
Supervisor().run()
