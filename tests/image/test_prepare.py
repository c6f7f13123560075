"""The first start of a container: [guest] source becomes [guest] disk, under the real PID 1."""
import contextlib
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import unittest

import lab
from lab import MIB

CASEMENT = lab.BUILD / "init/pid1/casement"
CASEMENTCTL = lab.BUILD / "init/ctl/casementctl"
PREPARE = lab.BUILD / "image/casement-prepare"
SHIPPED = lab.TOP / "docker/casement.conf"


class PrepareTest(lab.ImageTest):
    def setUp(self):
        super().setUp()
        self.base = self.directory / "base.qcow2"
        self.box_path = self.good_box()
        self.raw_disk = self.raw()

    def configure(self, source=None, more=""):
        text = f"[guest]\ndisk = {self.output}\nbase = {self.base}\n"
        if source:
            text += f"source = {source}\n"
        self.config.write_text(text + more, encoding="utf-8")

    def test_imports(self):
        self.configure(self.box_path)
        text = self.make("prepare")
        self.assertIn("there is no disk yet: importing", text)
        self.good_image(self.raw_disk)
        # libvirt hands it over to QEMU's user.
        self.assertEqual(stat.S_IMODE(self.output.stat().st_mode), 0o600)

    def test_nothing_to_do(self):
        """Without a source, with a disk, with a base, with a domain of one's own, in place; whatever the source is."""
        self.configure()
        self.assertEqual(self.make("prepare"), "")
        missing = self.directory / "missing"
        self.configure(missing, more=f"xml = {self.directory}/domain.xml\n")
        self.assertEqual(self.make("prepare"), "")
        self.config.write_text(f"[guest]\nbase = {self.base}\nsource = {missing}\nin-place = yes\n", encoding="utf-8")
        self.assertEqual(self.make("prepare"), "")
        self.configure(missing)
        for path in (self.output, self.base):
            path.write_bytes(b"precious")
            self.assertEqual(self.make("prepare"), "")
            self.assertEqual(path.read_bytes(), b"precious")
            path.unlink()

    def test_mistakes(self):
        self.configure(self.directory / "missing")
        self.refused("cannot be opened", "prepare")
        self.configure(self.file("page", b"<html>".ljust(512)))
        self.refused("is neither a disk image nor a Vagrant box", "prepare")

    def test_leftovers(self):
        self.configure(self.box_path)
        (self.room / ".windows.qcow2.casement-import-abcdef").write_bytes(b"x")
        self.make("prepare")
        self.good_image(self.raw_disk)


class StarterTest(lab.ImageTest):
    """casement-prepare, which becomes casement-image only if there is something to do."""

    def run_starter(self, *words):
        done = subprocess.run([str(PREPARE), *(str(word) for word in words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=lab.environment(), check=False)
        return done.returncode, done.stdout

    def test_starter(self):
        self.config.write_text(f"[guest]\ndisk = {self.output}\nbase = {self.directory}/base\nsource = {self.good_box()}\n",
                               encoding="utf-8")
        code, text = self.run_starter("--config", self.config, self.directory / "missing")
        self.assertEqual(code, lab.UNAVAILABLE, text)
        self.assertIn("missing: cannot be run: No such file", text)
        code, text = self.run_starter("--config", self.config, lab.PROGRAM)
        self.assertEqual(code, 0, text)
        self.good_image(self.raw())
        # There is a disk now: it does not even look for casement-image.
        self.assertEqual(self.run_starter("--config", self.config, self.directory / "missing"), (0, ""))

    def test_mistakes(self):
        for words in ((), ("a", "b"), ("--frob", "a")):
            self.assertEqual(self.run_starter(*words)[0], lab.USAGE)
        self.config.write_text("[guest]\ncpus = many\n", encoding="utf-8")
        self.assertEqual(self.run_starter("--config", self.config, "x")[0], lab.CONFIG)

    def test_few_libraries(self):
        """That is what it is for."""
        libraries = [line for line in lab.tool("ldd", PREPARE).splitlines() if "=>" in line]
        self.assertLessEqual(len(libraries), 2, libraries)


class Pid1Test(lab.ImageTest):
    """casement as PID 1 of a namespace of its own, with the shipped section of casement-image and a guest that is a shell."""

    def setUp(self):
        super().setUp()
        self.base = self.directory / "base.qcow2"
        self.big_raw = self.raw(48 * MIB)

    def section(self):
        text = re.search(r"^\[service casement-image\]\n.*?\n\n", SHIPPED.read_text(encoding="utf-8"), re.S | re.M)[0]
        shipped = "exec = /usr/libexec/casement/casement-prepare /usr/bin/casement-image\n"
        self.assertIn(shipped, text)
        return text.replace(shipped, f"exec = {PREPARE}\n  --config {self.config}\n  {lab.PROGRAM}\n")

    def configure(self, source, guest):
        script = self.file("guest.sh", guest.encode())
        self.config.write_text(f"[guest]\ndisk = {self.output}\nbase = {self.base}\nsource = {source}\n{self.section()}"
                               f"[service casement-guest]\nexec = /bin/sh {script}\ntype = simple\nmain = yes\nrestart = no\n"
                               "final-codes = 0\nafter = casement-image\n", encoding="utf-8")

    def boot(self):
        """Its namespace's init; SIGTERM to it is `docker stop`."""
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
             'mount -t tmpfs tmpfs /run && exec "$@"', "sh", str(CASEMENT), "--config", str(self.config)],
            env=lab.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.bury, process)
        return process

    def child_of(self, process):
        def look():
            with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8") as file:
                return file.read().split()
        return int(self.until("PID 1", look)[0])

    def open_by_children(self, pid1):
        """Names of the files in the room that PID 1's children have open."""
        names = set()
        with open(f"/proc/{pid1}/task/{pid1}/children", encoding="utf-8") as file:
            children = file.read().split()
        for child in children:
            with contextlib.suppress(OSError):  # it has ended in this moment
                for fd in os.listdir(f"/proc/{child}/fd"):
                    path = pathlib.Path(os.readlink(f"/proc/{child}/fd/{fd}"))
                    if path.parent == self.room:
                        names.add(path.name)
        return names

    def status(self, pid1):
        done = subprocess.run([str(CASEMENTCTL), "--socket", f"/proc/{pid1}/root/run/casement/status.sock", "status", "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=lab.environment(), check=False)
        try:
            services = json.loads(done.stdout)["services"]
        except ValueError:
            return {}
        return {service["name"]: service for service in services}

    def test_disk_before_guest(self):
        self.configure(self.box(lab.metadata(), lab.member("box.img", self.disk(size=48 * MIB)[0].read_bytes())),
                       f"test -s {self.output} && echo the guest has its disk\n")
        process = self.boot()
        text, _ = process.communicate(timeout=lab.SOON)
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("the guest has its disk", text)
        self.good_image(self.big_raw)

    def slow_box(self):
        """Eight gigabytes of zeros take some seconds to unpack, and no room."""
        disk = self.directory / "slow.qcow2"
        lab.tool("qemu-img", "create", "-f", "qcow2", disk, "64G")
        head = b""
        for info, content in (lab.metadata(virtual_size=64), lab.member("box.img", disk.read_bytes())):
            info.size = len(content) if info.name != "box.img" else 8 << 30
            head += info.tobuf(lab.tarfile.GNU_FORMAT) + content.ljust((len(content) + 511) // 512 * 512, b"\0")
        zeros = lab.gzip.compress(bytes(64 * MIB), 1)
        return self.file("slow.box", lab.gzip.compress(head) + zeros * 128)

    def test_stopped_in_the_middle(self):
        """Progress is in the status, SIGTERM ends the container with 0, and nothing is left."""
        self.configure(self.slow_box(), "echo the guest was started\n")
        process = self.boot()
        pid1 = self.child_of(process)

        def importing():
            self.assertIsNone(process.poll())
            return re.match(r"importing: \d+ %, ", self.status(pid1).get("casement-image", {}).get("status") or "")
        self.until("progress in the status", importing)
        self.assertEqual(self.status(pid1)["casement-image"]["state"], "starting")
        os.kill(pid1, signal.SIGTERM)
        text, _ = process.communicate(timeout=lab.SOON)
        self.assertEqual(process.returncode, 0, text)
        self.assertNotIn("the guest was started", text)
        self.assertEqual(self.listing(), {})

    def test_killed_in_the_middle(self):
        """PID 1 starts it again, and it begins anew."""
        self.configure(self.slow_box(), "echo the guest was started\n")
        process = self.boot()
        pid1 = self.child_of(process)
        first = self.until("a process", lambda: self.status(pid1).get("casement-image", {}).get("pid"))
        self.until("its file", lambda: self.open_by_children(pid1))
        with open(f"/proc/{pid1}/task/{pid1}/children", encoding="utf-8") as file:
            pids = [int(pid) for pid in file.read().split()]
        self.assertEqual(len(pids), 1)
        os.kill(pids[0], signal.SIGKILL)
        self.until("another process", lambda: self.status(pid1).get("casement-image", {}).get("pid") not in (None, 0, first))
        # Its own: what the first one left it removes before.
        self.until("one file", lambda: len(self.listing()) == 1 and self.open_by_children(pid1) == set(self.listing()))
        os.kill(pid1, signal.SIGTERM)
        text, _ = process.communicate(timeout=lab.SOON)
        self.assertEqual(process.returncode, 0, text)
        self.assertEqual(self.listing(), {})

    def test_bad_source(self):
        """The container ends with the code that says so, and with the reason in its log."""
        self.configure(self.directory / "missing.box", "echo the guest was started\n")
        process = self.boot()
        text, _ = process.communicate(timeout=lab.SOON)
        self.assertEqual(process.returncode, lab.CONFIG, text)
        self.assertIn("missing.box: cannot be opened", text)
        self.assertNotIn("the guest was started", text)

    def test_nothing_to_do(self):
        self.output.write_bytes(b"a disk")
        self.configure(self.directory / "missing.box", "exit 0\n")
        process = self.boot()
        text, _ = process.communicate(timeout=lab.SOON)
        self.assertEqual(process.returncode, 0, text)
        self.assertNotIn("missing.box", text)


if __name__ == "__main__":
    unittest.main()
