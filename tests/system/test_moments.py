"""A stop at every moment of a container's life: in time, with the right exit code, and with a disk that has all of it.

In time is [stop] timeout plus 15 s. The moments before the guest listens belong to `button`, which boots in no time. `mini`
has the others, and writes its journal meanwhile: one disk for all of them, so each start goes on where a stop has left it.
"""
import json
import os
import pathlib
import signal
import tempfile
import time
import unittest

import harness
import records
import rounds

# Long enough for a busy machine to boot mini to where it hears the button; a guest that obeys takes none of it.
TIMEOUT = 60
MARGIN = 15

# In front of a program, so that a moment lasts until the signal is there.
SLOW = """#!/bin/sh
sleep 5
exec "$@"
"""
# In the place of QEMU: the one that is to be the guest comes late. libvirtd asks it what it can do before.
SLOW_QEMU = """#!/bin/sh
case "$*" in *guest=windows*) sleep 5 ;; esac
exec /opt/qemu/bin/qemu "$@"
"""
RECIPE = """FROM {image}
LABEL {label}={pid}
RUN mkdir -p /opt/qemu/bin && mv /usr/bin/qemu-system-x86_64 /opt/qemu/bin/qemu && ln -s /usr/share /usr/lib /opt/qemu/
COPY slow /opt/
COPY slow-qemu /usr/bin/qemu-system-x86_64
"""


class MomentTest(harness.SystemTest):
    environment = {"CASEMENT_STOP_TIMEOUT": f"{TIMEOUT}s", "CASEMENT_STOP_RESEND": "1s"}

    def ends(self, guest, code, begin=None, timeout=TIMEOUT):
        """After SIGTERM, which is sent unless it was at @begin: the container ends in time with @code, its disk in order."""
        if begin is None:
            begin = time.monotonic()
            os.kill(guest.pid, signal.SIGTERM)
        self.assertEqual(guest.wait_exit(timeout + 60), code, guest.logs())
        self.assertLess(time.monotonic() - begin, timeout + MARGIN, guest.logs())
        self.check_image(guest.disk)

    def check_image(self, disk, leaks=False):
        output = harness.run("qemu-img", "check", "--output=json", str(disk), check=False)
        result = json.loads(output[output.index("{"):])
        for key in ("check-errors", "corruptions", *(() if leaks else ("leaks",))):
            self.assertEqual(result.get(key, 0), 0, output)


class EarlyTest(MomentTest):
    """Before the guest listens."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = f"{harness.PREFIX}-{next(harness.numbers)}"
        with tempfile.TemporaryDirectory(dir="/var/tmp") as context:
            for name, text in (("slow", SLOW), ("slow-qemu", SLOW_QEMU), ("Dockerfile", RECIPE.format(
                    image=harness.IMAGE, label=harness.LABEL, pid=os.getpid()))):
                path = pathlib.Path(context, name)
                path.write_text(text, encoding="ascii")
                path.chmod(0o755)
            harness.docker("build", "-q", "--network", "none", "-t", cls.image, context)
        cls.addClassCleanup(harness.docker, "rmi", "-f", cls.image, check=False)

    def slow(self, **environment):
        return self.container("button", image=self.image, environment={**self.environment, **environment}).start()

    def wait_starting(self, guest, name):
        guest.wait_status(f"{name} starts", lambda status: any(
            service["name"] == name and service["state"] == "starting" for service in status["services"]))

    def test_before_virtlogd_is_ready(self):
        guest = self.slow(CASEMENT_SERVICE_VIRTLOGD_EXEC="/opt/slow /usr/sbin/virtlogd --config /etc/libvirt/virtlogd.conf")
        self.wait_starting(guest, "virtlogd")
        self.ends(guest, 0)
        self.assertNotIn("virtlogd is ready", guest.logs())

    def test_while_libvirtd_starts(self):
        guest = self.slow(CASEMENT_SERVICE_LIBVIRTD_EXEC="/opt/slow /usr/sbin/libvirtd --config /etc/libvirt/libvirtd.conf")
        self.wait_starting(guest, "libvirtd")
        self.ends(guest, 0)
        self.assertNotIn("libvirtd is ready", guest.logs())

    def test_inside_of_vir_domain_create(self):
        guest = self.slow(CASEMENT_LOG_LEVEL="debug")
        guest.wait_status("the guest starts", lambda status: status["guest"]["state"] == "starting")
        harness.until("a QEMU that is late", 30, lambda: any("guest=windows" in line for line in harness.docker(
            "top", guest.name, "-eo", "pid,args").splitlines()))
        self.ends(guest, 0)
        self.assertIn("stop-creating", guest.logs())

    def test_right_after_the_start_and_a_little_later(self):
        """The last ones are in libvirtd's first look at QEMU, in virDomainCreate, in the firmware: nothing is known of when."""
        for delay in (0, 0.1, 0.3, 0.6, 1.0):
            with self.subTest(delay=delay):
                guest = self.container("button", environment=self.environment).start()
                time.sleep(delay)
                self.ends(guest, 0)
                guest.remove()

    def test_in_the_firmware(self):
        guest = self.container("button", environment=self.environment).start()
        guest.wait_status("booting", lambda status: status["guest"]["state"] == "booting")
        self.ends(guest, 0)

    def test_in_the_moment_in_which_a_daemon_dies(self):
        """SIGKILL for the daemon, then SIGTERM for PID 1, and the other way round."""
        guest = self.container("button", environment={**self.environment, **rounds.ENVIRONMENT})
        for name in rounds.DAEMONS:
            for stop_first in (False, True):
                with self.subTest(dies=name, stop_first=stop_first):
                    guest.start()
                    guest.wait_status("booting", lambda status: status["guest"]["state"] == "booting")
                    signals = [(guest.process(name), signal.SIGKILL), (guest.pid, signal.SIGTERM)]
                    begin = time.monotonic()
                    for pid, number in reversed(signals) if stop_first else signals:
                        os.kill(pid, number)
                    self.ends(guest, 0, begin)


class JournalTest(MomentTest):
    """While the guest writes. acknowledged is how many records must be on its disk, from all its lives."""

    acknowledged = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = harness.Container(cls.network, disk=harness.guest_image("mini"), environment={
            **cls.environment, **rounds.ENVIRONMENT,
            "CASEMENT_NETWORK_FORWARDS": f"{harness.GUEST['CASEMENT_NETWORK_FORWARDS']} {records.PORT}"})
        cls.addClassCleanup(cls.guest.remove)
        records.make_room(cls.guest.disk)

    def setUp(self):
        # What a test left behind that failed.
        harness.docker("kill", self.guest.name, check=False)
        self.guest.start()

    def wait_writing(self):
        """It writes, and something new is past every cache."""
        self.guest.wait_ready()
        records.ask(self.guest, "start")
        harness.until("more records", 60, lambda: records.ask(self.guest, "count") >= self.acknowledged + 5)
        self.acknowledge()

    def acknowledge(self):
        JournalTest.acknowledged = records.ask(self.guest, "count")

    def ends(self, guest, code, begin=None, timeout=TIMEOUT):
        super().ends(guest, code, begin, timeout)
        self.check_records()

    def check_records(self):
        there = records.verify(self.guest.disk, self.acknowledged)
        print(f"{self.id().rpartition('.')[2]}: {there} records, {self.acknowledged} of them acknowledged")
        JournalTest.acknowledged = there

    def test_while_it_boots(self):
        harness.until("its kernel", harness.BOOT, lambda: self.guest.events()[-1:] == ["booting"])
        self.ends(self.guest, 0)

    def test_while_it_runs(self):
        self.wait_writing()
        self.ends(self.guest, 0)
        self.assertIn("power button pressed", self.guest.events())
        self.damages_are_found()

    def damages_are_found(self):
        """A byte, a half, a record that nobody missed so far: none of them passes for a journal."""
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            raw = os.path.join(directory, "raw")
            harness.run("qemu-img", "convert", "-O", "raw", str(self.guest.disk), raw)
            last = records.count(raw, self.acknowledged) - 1
            for number, offset, size in ((2, 4711, 1), (2, records.RECORD // 2, records.RECORD // 2), (2, 0, records.RECORD)):
                with open(raw, "r+b") as file:
                    place = records.BEGIN + number * records.RECORD + offset
                    file.seek(place)
                    good = file.read(size)
                    file.seek(place)
                    file.write(bytes([good[0] ^ 1]) if size == 1 else bytes(size))
                    file.flush()
                    with self.assertRaisesRegex(records.Lost, "record 2 is bad"):
                        records.count(raw, self.acknowledged)
                    # Not only because there are too few of them.
                    with self.assertRaisesRegex(records.Lost, "record 2 is bad, and record 3 is good"):
                        records.count(raw, 0)
                    file.seek(place)
                    file.write(good)
            os.truncate(raw, records.BEGIN + last * records.RECORD)
            with self.assertRaisesRegex(records.Lost, f"record {last} is bad"):
                records.count(raw, last + 1)

    def test_during_a_reboot(self):
        self.wait_writing()
        self.guest.control("reboot")
        # It says so, and is gone a little later.
        harness.until("its word", 30, lambda: "rebooting" in self.guest.events())
        time.sleep(0.3)
        self.ends(self.guest, 0)

    def test_in_the_moment_after_libvirtd_died(self):
        self.in_the_moment_after("libvirtd")

    def test_in_the_moment_after_casement_guest_died(self):
        self.in_the_moment_after("casement-guest")

    def in_the_moment_after(self, name):
        self.wait_writing()
        victim, pid = self.guest.process(name), self.guest.pid
        os.kill(victim, signal.SIGKILL)
        begin = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        self.ends(self.guest, 0, begin)
        self.assertIn("power button pressed", self.guest.events())

    def test_at_the_deadline(self):
        """A guest that hears nothing any more is destroyed while it writes."""
        self.wait_writing()
        self.guest.control("hang")
        pid = self.guest.pid
        os.kill(pid, signal.SIGINT)
        self.guest.wait_status("stopping", lambda status: status["state"] == "stopping")
        self.acknowledge()
        os.kill(pid, signal.SIGINT)
        self.ends(self.guest, 10, time.monotonic(), 0)

    def test_a_power_cut(self):
        """Not a stop: nobody is asked. What was acknowledged is there all the same."""
        self.wait_writing()
        harness.docker("kill", self.guest.name)
        self.assertEqual(self.guest.wait_exit(30), 137)
        self.check_image(self.guest.disk, leaks=True)
        self.check_records()
        # Clusters that nobody uses are all that may be wrong; the tests that follow look for more.
        harness.run("qemu-img", "check", "-q", "-r", "leaks", str(self.guest.disk), check=False)


if __name__ == "__main__":
    unittest.main()
