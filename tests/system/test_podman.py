"""The real image under podman, with --sdnotify=container: conmon tells whoever started it when the guest is ready.

Of all that a container says conmon 2.1.6 passes on READY=1 and nothing else ("Do what OCI runtime does - only pass READY=1",
src/conn_sock.c), and so does runc: no STOPPING=1, no EXTEND_TIMEOUT_USEC=, no STATUS=. A systemd that gets those from casement is
in tests/pid1/test_systemd.py.

podman has its storage in a directory of the test's own, and the container has no network but its own loopback.
"""
import contextlib
import errno
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import unittest

import harness

PLACE, CGROUPS = pathlib.Path("/var/tmp"), pathlib.Path("/sys/fs/cgroup")
SUFFIX = "-podman"


def remove_cgroup(path):
    try:
        for child, _, _ in os.walk(path, topdown=False):
            os.rmdir(child)
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


class Podman:
    """podman with a storage, a run directory and a parent cgroup of its own."""

    def __init__(self, name):
        self.name = name
        self.directory = PLACE / name
        self.directory.mkdir(mode=0o755, exist_ok=True)

    def command(self, *arguments):
        return ("podman", f"--root={self.directory}/root", f"--runroot={self.directory}/run", f"--tmpdir={self.directory}/tmp",
                "--cgroup-manager=cgroupfs", "--events-backend=none", *arguments)

    def __call__(self, *arguments, timeout=60, check=True):
        return harness.run(*self.command(*arguments), timeout=timeout, check=check).strip()

    def load(self, image):
        """An image of Docker's; its name here."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as save:
            loaded = subprocess.run(self.command("load"), stdin=save.stdout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True, timeout=300, check=False)
        if save.returncode or loaded.returncode:
            raise AssertionError(f"docker save: {save.returncode}; podman load: {loaded.returncode}\n{loaded.stdout}")
        return re.search(r"^Loaded image.*: (\S+)$", loaded.stdout, re.M)[1]

    def remove(self):
        self("rm", "--all", "--force", "--time", "0", check=False)
        shutil.rmtree(self.directory)
        # One for each hierarchy, with one for conmon inside, which ends a moment later.
        parents = [path for path in (CGROUPS / self.name, *CGROUPS.glob(f"*/{self.name}")) if path.is_dir()]
        harness.until("conmon's cgroups are empty", 10, lambda: all(remove_cgroup(path) for path in parents))


def remove_leftovers():
    """What runs that no longer exist left behind."""
    for directory in PLACE.glob(f"{harness.LABEL}-*{SUFFIX}"):
        pid = directory.name.removeprefix(f"{harness.LABEL}-").removesuffix(SUFFIX)
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            Podman(directory.name).remove()


class PodmanTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        remove_leftovers()
        cls.podman = Podman(f"{harness.PREFIX}{SUFFIX}")
        cls.addClassCleanup(cls.podman.remove)
        cls.image = cls.podman.load(harness.IMAGE)

    def setUp(self):
        self.storage = self.podman.directory / "storage"
        self.storage.mkdir(mode=0o755)
        self.addCleanup(shutil.rmtree, self.storage)
        shutil.copyfile(harness.guest_image("mini"), self.storage / "windows.qcow2")
        path = self.podman.directory / "notify"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(str(path))
        self.addCleanup(path.unlink)
        self.told = []

    def start(self):
        name = f"{harness.PREFIX}-{next(harness.numbers)}"
        self.addCleanup(self.podman, "rm", "--force", "--time", "0", name, check=False)
        variables = (word for key, value in harness.GUEST.items() for word in ("-e", f"{key}={value}"))
        devices = (word for device in harness.DEVICES for word in ("--device", device))
        # Unlike Docker podman does not give NET_RAW by itself, and its health checks are systemd's timers.
        self.podman_as_a_service("run", "--detach", "--name", name, "--sdnotify=container", "--network=none", "--no-healthcheck",
                                 f"--cgroup-parent=/{self.podman.name}", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW",
                                 f"--volume={self.storage}:/storage", *devices, *variables, self.image)
        return name

    def podman_as_a_service(self, *arguments):
        """As systemd starts it: with a socket to be told at."""
        log = self.podman.directory / "log"
        with open(log, "w", encoding="utf-8") as output:
            # Not by a pipe, which conmon would hold open.
            done = subprocess.run(self.podman.command(*arguments), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                  env={**os.environ, "NOTIFY_SOCKET": str(self.podman.directory / "notify")}, timeout=120,
                                  check=False)
        self.assertEqual(done.returncode, 0, log.read_text())

    def logs(self, name):
        return self.podman("logs", name, check=False)

    def wait_told(self, word, name):
        deadline = time.monotonic() + harness.BOOT
        while word not in self.told:
            self.manager.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                self.told += self.manager.recv(4096).decode().split("\n")
            except TimeoutError:
                raise AssertionError(f"{word} does not come, but {self.told}\n{self.logs(name)}") from None

    def test_ready_and_stop(self):
        name = self.start()
        self.wait_told("READY=1", name)
        # Neither earlier, when the container or its services were up, nor later.
        self.assertEqual(self.podman("exec", name, "casementctl", "ready"), "ok", self.logs(name))
        self.podman("stop", "--time", "60", name, timeout=90)
        self.assertEqual(self.podman("inspect", "--format", "{{.State.ExitCode}}", name), "0", self.logs(name))
        self.assertIn("the guest has powered off", self.logs(name))
        with contextlib.suppress(BlockingIOError):
            self.manager.setblocking(False)
            while True:
                self.told += self.manager.recv(4096).decode().split("\n")
        self.assertEqual(self.told.count("READY=1"), 1, self.told)


if __name__ == "__main__":
    unittest.main()
