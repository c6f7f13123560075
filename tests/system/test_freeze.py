"""A guest is frozen once, and containers of the committed image go on from there: warm clones.

The base is in the image, as in practice; a frozen container is committed, and each clone has a fresh /storage.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time
import unittest

import harness

FROZEN = "/images/windows.qcow2.frozen-1"
BEGUN = "freezing the guest; then the container ends"


# In the place of qemu-img: a copy of the disk is there a while before it is known to be whole, and may turn out not to be.
SLOW_COPY = """#!/bin/sh
/usr/libexec/qemu-img "$@" && sleep 1 && [ ! -e /no-copy ]
"""


def build(slow=False):
    """An image that has mini as its base. @slow: what copies disks takes its time."""
    image = f"{harness.PREFIX}-{next(harness.numbers)}"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as context:
        shutil.copyfile(harness.guest_image("mini"), f"{context}/mini.qcow2")
        pathlib.Path(context, "mini.qcow2").chmod(0o644)
        pathlib.Path(context, "Dockerfile").write_text(
            f"FROM {harness.IMAGE}\nLABEL {harness.LABEL}={os.getpid()}\nCOPY mini.qcow2 /images/windows.qcow2\n" +
            ("RUN mv /usr/bin/qemu-img /usr/libexec/\nCOPY qemu-img /usr/bin/\n" if slow else ""), encoding="ascii")
        pathlib.Path(context, "qemu-img").write_text(SLOW_COPY, encoding="ascii")
        pathlib.Path(context, "qemu-img").chmod(0o755)
        harness.docker("build", "-q", "--network", "none", "-t", image, context)
    return image


class FreezeTest(harness.SystemTest):
    environment = {}
    slow = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = build(cls.slow)
        cls.addClassCleanup(harness.docker, "rmi", "-f", cls.image, check=False)

    @classmethod
    def commit(cls, container):
        """An image of what the container has, without its volumes."""
        image = f"{harness.PREFIX}-{next(harness.numbers)}"
        harness.docker("commit", container.name, image, timeout=120)
        cls.addClassCleanup(harness.docker, "rmi", "-f", image, check=False)
        return image

    @classmethod
    def freeze(cls, container, *options):
        """Freeze a ready guest; the end of the container is awaited. What casementctl prints."""
        # The container's end may cut docker exec off (137) after casementctl has heard that all is well, or before.
        said = harness.docker("exec", container.name, "timeout", "60", "casementctl", "freeze", *options, timeout=90, check=False)
        code = container.wait_exit(30)
        if code:
            raise AssertionError(f"exit code {code}\n{container.logs()}")
        return said

    @classmethod
    def frozen(cls, **options):
        """A container whose guest was frozen after its boot, and its image."""
        original = cls.shared(None, image=cls.image, environment=cls.environment, **options)
        original.wait_ready()
        original.known = known(original)
        original.said = cls.freeze(original)
        return original, cls.commit(original)

    def clone(self, image, environment=None, **options):
        return self.container(None, image=image, environment={**self.environment, **(environment or {})}, **options)

    def assert_start(self, container, start, reason=""):
        guest = container.status()["guest"]
        self.assertEqual((guest["start"], guest["start_reason"]), (start, reason), container.logs())

    def assert_answers(self, container):
        with container.rdp() as connection:
            harness.echo(connection)

    def assert_warm(self, container, uptime):
        """Ready, and not by a boot."""
        container.wait_ready()
        self.assert_start(container, "warm")
        self.assertGreaterEqual(uptime_of(container), uptime)
        # The image has the log of its original.
        self.assertEqual(container.events().count("booting"), 1)
        self.assert_answers(container)


def uptime_of(container):
    return float(container.control("uptime").removeprefix("ok "))


def generation(container):
    return re.search(r"<genid>(.*)</genid>", harness.docker("exec", container.name, "virsh", "dumpxml", "windows"))[1]


def known(container):
    return {"uptime": uptime_of(container), "generation": generation(container), "uuid": uuid_of(container)}


def uuid_of(container):
    return (container.storage / "windows.qcow2.uuid").read_text(encoding="ascii").splitlines()[0]


def sums(container):
    """Checksums of what the clones share."""
    return harness.docker("exec", container.name, "sh", "-c", "find /images -type f -exec sha256sum {} + | sort")


class CloneTest(FreezeTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.original, cls.warm = cls.frozen()

    def test_what_freezing_leaves(self):
        # docker exec may be cut off before casementctl has heard the rest, or said it.
        self.assertIn(self.original.said, (BEGUN, f"{BEGUN}\nfrozen: {FROZEN}"))
        events = self.original.events()
        self.assertEqual(events.count("file systems frozen"), 1, events)
        listing = harness.docker("run", "--rm", "--network", "none", "--entrypoint", "ls", self.warm, "-l", "/images", FROZEN)
        self.assertIn("windows.qcow2.frozen -> windows.qcow2.frozen-1", listing)
        for name in ("state", "disk.qcow2", "manifest"):
            self.assertIn(f" {name}\n", f"{listing}\n")
        self.assertNotIn(".new", listing)
        # The disk is the guest's own clusters, on the base that is in the image already.
        disk = harness.docker("run", "--rm", "--network", "none", "--entrypoint", "qemu-img", self.warm, "info", f"{FROZEN}/disk.qcow2")
        self.assertIn("backing file: /images/windows.qcow2", disk)

    def check_network(self, clone):
        """What the guest believes to have is still served, by servers that have never seen it."""
        self.assertEqual(clone.control("ip").split()[1], clone.status()["guest"]["address"])
        self.assertEqual(clone.control("renew"), "ok")
        clone.wait_event("lease renewed")
        name = harness.docker("inspect", "-f", "{{.Config.Hostname}}", clone.name)
        self.assertIn(clone.address, clone.control(f"resolve {name}").split())

    def test_clones(self):
        """Three at once, then one of one of them."""
        clones = [self.clone(self.warm) for _ in range(3)]
        harness.docker("start", *(clone.name for clone in clones))
        for clone in clones:
            self.assert_warm(clone, self.original.known["uptime"])
            clone.wait_event("clock set")
            before = time.time()
            told = float(clone.control("time").removeprefix("ok "))
            # Its answer may have been under way for a while.
            self.assertTrue(before - 1 < told < time.time() + 1, (before, told, time.time()))
            self.assertIn("file systems thawed", clone.events())
            self.assertEqual(uuid_of(clone), self.original.known["uuid"])
            self.assertEqual([line for line in harness.docker("diff", clone.name).splitlines() if "/images" in line], [])
        generations = {generation(clone) for clone in clones}
        self.assertEqual(len(generations | {self.original.known["generation"]}), 4)
        self.check_network(clones[0])
        first, second, third = clones
        # As after a cold boot: a stop, and a QEMU that is killed.
        os.kill(third.qemu, signal.SIGKILL)
        self.assertEqual(third.wait_exit(), 11, third.logs())
        self.assertEqual(second.stop(), 0, second.logs())
        self.assertIn("power button pressed", second.events())
        self.assertEqual([name.name for name in second.storage.glob("*.state*")], [])
        second.start().wait_status("a guest", lambda status: status["guest"]["state"] in ("booting", "running"))
        self.assert_start(second, "cold")
        second.remove()
        # What is shared is as it was, and the clone's clone is one of the clone.
        before, uptime = sums(first), uptime_of(first)
        self.freeze(first)
        again = self.clone(self.commit(first))
        again.start()
        self.assert_warm(again, uptime)
        after = sums(again).splitlines()
        for line in before.splitlines():
            self.assertIn(line, after)
        self.assertEqual(again.stop(), 0, again.logs())

    def test_killed_as_soon_as_it_has_a_disk(self):
        clone = self.clone(self.warm).start()
        harness.until("its disk", 30, clone.disk.exists)
        os.kill(clone.pid, signal.SIGKILL)
        self.assertEqual(clone.wait_exit(), 137, clone.logs())
        clone.start()
        self.assert_warm(clone, self.original.known["uptime"])

    def test_the_original_goes_on(self):
        uptime = self.original.known["uptime"]
        self.original.start()
        self.original.wait_ready()
        self.assert_start(self.original, "warm")
        self.assertGreaterEqual(uptime_of(self.original), uptime)
        self.assert_answers(self.original)
        self.assertEqual(self.original.stop(), 0, self.original.logs())

    def damaged(self, name, damage):
        """A clone whose container has another file than the image."""
        clone = self.clone(self.warm)
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            path = pathlib.Path(directory, name)
            harness.docker("cp", f"{clone.name}:{FROZEN}/{name}", str(path))
            with open(path, "r+b") as file:
                damage(file)
            harness.docker("cp", str(path), f"{clone.name}:{FROZEN}/{name}")
        return clone

    def test_what_does_not_fit(self):
        """One warning, a boot from the same disk, and nothing of it again at the next start."""
        def flip(file):
            file.seek(file.seek(0, os.SEEK_END) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes((byte[0] ^ 1,)))
        cases = {
            "is damaged: its checksum is another one": self.damaged("state", flip),
            "is damaged: ": self.damaged("state", lambda file: file.truncate(file.seek(0, os.SEEK_END) * 3 // 4)),
            "the guest's configuration is another one": self.clone(self.warm, {"CASEMENT_GUEST_MEMORY": "224M"}),
            "configuration is another one than": self.clone(self.warm, {"CASEMENT_GUEST_CPU": "Nehalem"}),
            "the guest had another address": self.clone(self.warm, {"CASEMENT_NETWORK_GUEST_ADDRESS": "192.168.121.99"}),
        }
        for reason, clone in cases.items():
            with self.subTest(reason):
                clone.start()
                status = clone.wait_status("a guest", lambda status: status["guest"]["state"] in ("booting", "running"))["guest"]
                self.assertEqual(status["start"], "cold")
                self.assertIn(reason, status["start_reason"])
                self.assertEqual(clone.logs().count("the guest's frozen state is not resumed: "), 1, clone.logs())
                if clone is not cases["is damaged: its checksum is another one"]:
                    clone.remove()
        clone = cases["is damaged: its checksum is another one"]
        clone.wait_ready()
        self.assert_answers(clone)
        harness.docker("restart", "-t", "60", clone.name, timeout=90)
        clone.wait_status("a guest", lambda status: status["guest"]["state"] in ("booting", "running"))
        self.assert_start(clone, "cold")
        self.assertEqual(clone.logs().count("is not resumed"), 1, clone.logs())

    def test_another_disk(self):
        def change(file):
            file.seek(-1, os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes((byte[0] ^ 1,)))
        clone = self.damaged("disk.qcow2", change)
        self.assert_refused(clone, 78, f"{FROZEN}/disk.qcow2 is not the disk that was frozen", "freeze again")
        self.assertFalse(clone.disk.exists())


def freeze_now(container):
    """Ask for it and do not wait for it; PID 1's answer."""
    with container.status_socket() as connection:
        connection.sendall(b"freeze\n")
        return harness.read_all(connection).decode().strip()


def freeze_status(container, state):
    """The reason, once it has come to @state."""
    return container.wait_status(f"the freeze is {state}", lambda status: status["guest"]["freeze"] == state, 60)["guest"]["freeze_reason"]


class RefusalTest(FreezeTest):
    """A guest that is not frozen goes on."""

    @classmethod
    def setUpClass(cls):
        # Without an image: its disk is on the volume, and /images is another file system.
        harness.SystemTest.setUpClass.__func__(cls)

    def remount(self, options):
        harness.run("nsenter", "-m", "-t", str(self.guest.pid), "mount", "-o", f"remount,{options}", "/images")

    def fails(self, *words):
        """It is refused, or fails, and afterwards the guest is the same as before."""
        uptime = uptime_of(self.guest)
        said = self.guest.ctl("freeze", check=False)
        for word in words:
            self.assertIn(word, said)
        self.guest.wait_ready()
        self.assert_answers(self.guest)
        self.assertGreaterEqual(uptime_of(self.guest), uptime)
        self.assertEqual(os.listdir(f"/proc/{self.guest.pid}/root/images"), [])

    def test_refusals(self):
        guest = self.guest = self.container(options=("--tmpfs", "/images:size=64m")).start()
        guest.wait_status("a guest", lambda status: status["guest"]["state"] == "booting")
        self.assertEqual(freeze_now(guest), "fail the guest is not ready")
        guest.wait_ready()
        self.assertIn("only root may do that", harness.docker("exec", "-u", "nobody:casement", guest.name, "casementctl", "freeze", check=False))
        self.assertEqual(guest.control("windows 1009"), "ok")
        self.fails("Windows has an update pending (RebootPending, RebootRequired): restart it first, or freeze it with --force")
        self.assertNotIn("file systems frozen", guest.events())
        self.assertEqual(guest.control("windows 1"), "ok")
        self.fails("/images/windows.qcow2.frozen-1.new has room for 64 MiB")
        self.assertIn("the guest cannot be asked whether an update is under way: its PowerShell ended with code 1", guest.logs())
        self.assertEqual(guest.control("windows 0"), "ok")
        self.fails("/images/windows.qcow2.frozen-1.new has room for 64 MiB, and up to 2", "MiB are needed")
        self.fails("/images/windows.qcow2.frozen-1.new has room for 64 MiB")
        self.remount("ro")
        self.fails("/images/windows.qcow2.frozen-1.new cannot be made: Read-only file system")
        self.remount("rw,size=1G")
        # The guest is off by the time that its disk is copied.
        harness.docker("exec", guest.name, "sh", "-c",
                       "mv /usr/bin/qemu-img /qemu-img && printf '#!/bin/sh\\necho no such luck\\nexit 1\\n' >/usr/bin/qemu-img && "
                       "chmod +x /usr/bin/qemu-img")
        self.fails("/storage/windows.qcow2 cannot be copied to /images/windows.qcow2.frozen-1.new/disk.qcow2: no such luck")
        guest.wait_event("clock set")
        self.assertIn("file systems thawed", guest.events())
        harness.docker("exec", guest.name, "mv", "/qemu-img", "/usr/bin/qemu-img")
        guest.control("hang")
        os.kill(guest.pid, signal.SIGTERM)
        guest.wait_status("stopping", lambda status: status["state"] == "stopping")
        self.assertEqual(freeze_now(guest), "fail the container stops")


class InterruptionTest(FreezeTest):
    """Whatever ends in the middle of a freeze: nothing half is resumed, and the next start works."""

    slow = True

    def kill_at(self, moment, number, name="casement"):
        """Ask for a freeze, and as soon as a file of it is there and has something in it send a signal to a process."""
        images = pathlib.Path(f"/proc/{self.guest.pid}/root/images")
        pid = self.guest.process(name)
        numbers = (int(path.name.rpartition("-")[2]) for path in images.glob("*.frozen-*[0-9]"))
        directory = images / f"windows.qcow2.frozen-{max(numbers, default=0) + 1}"

        def found():
            """The file and what tells it from another one, if it has something in it."""
            for path in (f"{directory}.new/{moment}", f"{directory}/{moment}"):
                with contextlib.suppress(OSError):
                    status = os.stat(path)
                    if status.st_size:
                        return status.st_ino, status.st_ctime_ns
            return None

        # An attempt that was killed may have left one, until the next begins.
        left = found()
        self.assertEqual(freeze_now(self.guest), "ok")
        deadline = time.monotonic() + 60
        while found() in (None, left):
            if time.monotonic() > deadline:
                self.fail(f"{directory} gets no {moment}\n{self.guest.logs()}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def starts(self, *ways):
        self.guest.start().wait_ready()
        self.assertIn(self.guest.status()["guest"]["start"], ways, self.guest.logs())
        self.assert_answers(self.guest)

    def killed_or_stopped(self):
        for moment, number, ways in (("state", signal.SIGKILL, ("cold",)), ("disk.qcow2", signal.SIGKILL, ("resumed",)),
                                     ("manifest", signal.SIGKILL, ("cold", "resumed", "warm")), ("disk.qcow2", signal.SIGTERM, ("warm",))):
            with self.subTest(moment=moment, signal=number.name):
                uptime = uptime_of(self.guest)
                self.kill_at(moment, number)
                code = self.guest.wait_exit()
                # With the manifest all is done but to give it its name: that may be quicker.
                if moment == "manifest" and code == 0:
                    ways = ("warm",)
                else:
                    self.assertEqual(code, 137 if number == signal.SIGKILL else 0, self.guest.logs())
                self.starts(*ways)
                if "cold" not in ways:
                    self.assertGreaterEqual(uptime_of(self.guest), uptime)

    def is_loaded_again(self, moment, *killed):
        """Something dies when the guest is off, or will be in any case; it is loaded again, and to it nothing has happened."""
        uptime = uptime_of(self.guest)
        thawed = self.guest.events().count("file systems thawed")
        again = self.guest.logs().count("going on from there")
        self.kill_at(moment, signal.SIGKILL, *killed)
        self.assertTrue(freeze_status(self.guest, "failed"))
        harness.until("it is loaded again", 60, lambda: self.guest.logs().count("going on from there") > again)
        self.guest.wait_event("file systems thawed", 30, thawed + 1)
        self.guest.wait_ready()
        self.assert_start(self.guest, "resumed")
        self.assertGreaterEqual(uptime_of(self.guest), uptime)
        self.assert_answers(self.guest)
        self.assertEqual(self.guest.logs().count("going on from there"), again + 1)
        self.assertNotIn(".new", harness.docker("exec", self.guest.name, "ls", "/images"))

    def daemons_die(self):
        with self.subTest("libvirtd, while it writes the state"):
            uptime = uptime_of(self.guest)
            thawed = self.guest.events().count("file systems thawed")
            self.kill_at("state", signal.SIGKILL, "libvirtd")
            self.assertTrue(freeze_status(self.guest, "failed"))
            self.guest.wait_event("file systems thawed", count=thawed + 1)
            self.guest.wait_ready()
            self.assertGreaterEqual(uptime_of(self.guest), uptime)
            self.assert_answers(self.guest)
        with self.subTest("libvirtd, while the disk is copied"):
            self.kill_at("disk.qcow2", signal.SIGKILL, "libvirtd")
            self.assertEqual(self.guest.wait_exit(), 0, self.guest.logs())
            self.assertIn("exit 0: the guest is frozen", self.guest.logs().splitlines()[-1])
            self.starts("warm")
        with self.subTest("casement-guest, while the agent has frozen the file systems"):
            self.guest.wait_event("clock set")
            thawed = self.guest.events().count("file systems thawed")
            harness.docker("exec", self.guest.name, "sh", "-c",
                           "virsh domfsfreeze windows && mkdir /images/windows.qcow2.frozen-90.new && kill -KILL $(pidof casement-guest)")
            self.guest.wait_event("file systems thawed", count=thawed + 1)
            self.guest.wait_ready()
        with self.subTest("casement-guest, while libvirtd writes the state"):
            self.is_loaded_again("state", "casement-guest")
        with self.subTest("casement-guest, while the disk is copied"):
            self.is_loaded_again("disk.qcow2", "casement-guest")
        with self.subTest("libvirtd, while the disk is copied, which fails"):
            harness.docker("exec", self.guest.name, "touch", "/no-copy")
            self.is_loaded_again("disk.qcow2", "libvirtd")
            harness.docker("exec", self.guest.name, "rm", "/no-copy")

    def test_one_after_the_other(self):
        self.guest = self.clone(self.image).start()
        self.guest.wait_ready()
        self.killed_or_stopped()
        self.daemons_die()
        self.assertEqual(self.guest.control("windows 1016"), "ok")
        self.assertIn("Windows is at its updates", self.guest.ctl("freeze", check=False))
        self.assertIn(BEGUN, self.freeze(self.guest, "--force"))
        added = [line.split()[1] for line in harness.docker("diff", self.guest.name).splitlines() if " /images/" in line]
        self.assertEqual([name for name in added if ".new" in name], [], "what was never finished is still there")
        self.starts("warm")
        self.assertIn("No errors", harness.docker("exec", self.guest.name, "qemu-img", "check", "-U", "/storage/windows.qcow2"))


class MountedBaseTest(FreezeTest):
    def test_mounted_base(self):
        """A base that is mounted is not in the image that a commit makes: the frozen disk has all of it."""
        base = harness.guest_image("mini")
        original = self.shared(None, options=("-v", f"{base}:/images/windows.qcow2:ro"))
        original.wait_ready()
        uptime = uptime_of(original)
        self.freeze(original)
        clone = self.clone(self.commit(original)).start()
        self.assert_warm(clone, uptime)
        self.assertEqual(clone.stop(), 0, clone.logs())


class FirmwareTest(FreezeTest):
    environment = {"CASEMENT_GUEST_FIRMWARE": "uefi", "CASEMENT_GUEST_TPM": "yes"}

    def test_nvram_and_tpm(self):
        """A clone has copies of its own of both, as they were; the image's stay as they are."""
        original, warm = self.frozen()
        key = pathlib.Path("windows.tpm/tpm2/tpm2-00.permall")
        clone = self.clone(warm).start()
        self.assert_warm(clone, original.known["uptime"])
        with open(f"/proc/{clone.qemu}/cmdline", encoding="ascii") as arguments:
            self.assertIn('"filename":"/storage/windows_VARS.fd"', arguments.read())
        self.assertEqual((clone.storage / "windows_VARS.fd").read_bytes(), (original.storage / "windows_VARS.fd").read_bytes())
        self.assertEqual((clone.storage / key).stat().st_size, (original.storage / key).stat().st_size)
        log = clone.file("/var/log/swtpm/libvirt/qemu/windows-swtpm.log")
        self.assertEqual(log.count("Starting vTPM manufacturing"), 1, log)
        self.assertEqual([line for line in harness.docker("diff", clone.name).splitlines() if "/images" in line], [])
        self.assertEqual(clone.stop(), 0, clone.logs())


if __name__ == "__main__":
    unittest.main()
