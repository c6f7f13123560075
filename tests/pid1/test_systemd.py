"""A real systemd is told by sd_notify: ready, the status, the stop, and how long that may take.

It is a user's manager, which needs no systemd as PID 1, in namespaces and in a cgroup of its own, and knows no units but the
test's. casement is one of them: there it is not PID 1, but says the same.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import CASEMENT, Case, release, script, wait_until

SYSTEMD = "/lib/systemd/systemd"
CGROUP = f"/sys/fs/cgroup/casement-test-{os.getpid()}"
# Whatever the machine has mounted there: the second version, which every kernel has.
CGROUP2 = "mount -t tmpfs tmpfs /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup"

MAIN = "trap 15 0 0 ready pause"


def unit(config, log, kind="notify", access="main", stop="infinity"):
    """casement, with sockets of its own."""
    start = f"mkdir -p /run/casement && mount -t tmpfs tmpfs /run/casement && exec {CASEMENT} --config {config}"
    return (f"[Unit]\nDefaultDependencies=no\n[Service]\nType={kind}\nNotifyAccess={access}\nTimeoutStopSec={stop}\n"
            f"ExecStart=unshare --mount sh -c '{start}'\nStandardOutput=append:{log}\nStandardError=append:{log}\n")


class Systemd(Case):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="casement-systemd.")
        self.addCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o755)
        os.mkdir(f"{self.directory}/units")
        self.write("units/default.target", "[Unit]\nDefaultDependencies=no\n")

    def write(self, name, text):
        with open(f"{self.directory}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def log(self, name):
        try:
            with open(f"{self.directory}/{name}.log", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def service(self, name, config, **keys):
        """A unit that is casement with this configuration."""
        self.write(f"{name}.conf", "".join(config))
        self.write(f"units/{name}.service", unit(f"{self.directory}/{name}.conf", f"{self.directory}/{name}.log", **keys))
        self.addCleanup(lambda: self.assertNotRegex(self.log(name), "AddressSanitizer|runtime error:"))

    def boot(self):
        """systemd itself. A shell is PID 1 of its namespace: a user's manager cannot be."""
        self.addCleanup(self.remove_cgroup)
        self.manager = self.start(
            program=["sh", "-c", f"{SYSTEMD} --user --log-target=console; exit"],
            before=f"{CGROUP2} && mkdir {CGROUP} && echo $$ >{CGROUP}/cgroup.procs && mkdir -p /run/user /run/systemd/system",
            environment={"XDG_RUNTIME_DIR": "/run/user", "SYSTEMD_UNIT_PATH": f"{self.directory}/units", "HOME": "/nonexistent"})
        wait_until(lambda: os.path.exists(self.manager.path("/run/user/systemd/private")), "systemd listens")

    @staticmethod
    def remove_cgroup():
        def gone():
            command = f"{CGROUP2} && ! test -e {CGROUP} || find {CGROUP} -depth -type d -exec rmdir {{}} +"
            done = subprocess.run(["unshare", "--mount", "sh", "-c", command], stderr=subprocess.DEVNULL, check=False)
            return done.returncode == 0

        wait_until(gone, f"{CGROUP} is empty")

    def systemctl(self, *arguments):
        done = subprocess.run(["nsenter", f"--target={self.manager.pid}", "--mount", "--pid", "env", "XDG_RUNTIME_DIR=/run/user",
                               "systemctl", "--user", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{self.manager.text()}")
        return done.stdout

    def state(self, name):
        """What systemd knows of a unit."""
        shown = self.systemctl("show", name, "-p", "ActiveState,SubState,StatusText,Result,ExecMainStatus,MainPID")
        return dict(line.split("=", 1) for line in shown.splitlines())

    def wait_state(self, name, **wanted):
        last = {}

        def reached():
            last.update(self.state(name))
            return wanted.items() <= last.items()

        try:
            wait_until(reached, f"{name} is {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last}\n{self.log(name)}\n{self.manager.text()}") from None
        return last

    def test_ready(self):
        """Its start is not over before it is ready; the status is shown all the time."""
        fifo = self.fifo()
        self.service("c", script("m", f"await {fifo} {MAIN}", type="notify", main="yes"))
        self.boot()
        self.systemctl("start", "--no-block", "c")
        self.wait_state("c", ActiveState="activating", StatusText="starting: m is starting")
        release(fifo)
        self.wait_state("c", ActiveState="active", SubState="running", StatusText="ready")
        self.systemctl("stop", "c")
        self.wait_state("c", ActiveState="inactive", Result="success", ExecMainStatus="0")

    def test_stop_that_takes_longer(self):
        """5 s is all that a service has to stop, and this one takes 8 s: it says so. One that does not say so is killed."""
        config = script("m", "trap 15 8000 0 ready pause", type="notify", main="yes")
        self.service("says", config, stop="5s")
        self.service("silent", config, stop="5s", kind="exec", access="none")
        self.boot()
        self.systemctl("start", "says", "silent")
        # Without its words nobody knows when it is ready.
        wait_until(lambda: "m is ready" in self.log("silent"), "ready")
        self.systemctl("stop", "--no-block", "says", "silent")
        self.wait_state("says", ActiveState="deactivating", StatusText="stopping: SIGTERM")
        self.wait_state("silent", ActiveState="failed", Result="timeout", ExecMainStatus=str(int(signal.SIGKILL)))
        self.wait_state("says", ActiveState="inactive", Result="success", ExecMainStatus="0")

    def test_stops_by_itself(self):
        """The guest's end is the container's: systemd hears of it before it is over."""
        first, last = self.fifo(), self.fifo()
        self.service("c", [script("m", f"ready await {first} exit 0", type="notify", main="yes", restart="no", after="s"),
                           script("s", f"when 15 await {last} exit 0 -- ready pause", type="notify", stop_timeout="1h")])
        self.boot()
        self.systemctl("start", "c")
        release(first)
        self.wait_state("c", ActiveState="deactivating", SubState="stop-sigterm", StatusText="stopping: m ended: exited with 0")
        release(last)
        self.wait_state("c", ActiveState="inactive", Result="success", ExecMainStatus="0")


if __name__ == "__main__":
    unittest.main()
