"""Imports that end in the middle, by a signal or by being killed at any moment, and what is left then."""
import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import unittest

import lab
from lab import MIB


def children(pid):
    """Processes whose parent it is."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8").rpartition(")")[2].split()[1] == str(pid):
                found.append(int(path.parent.name))
    return found


class EndsTest(lab.ImageTest):
    def setUp(self):
        super().setUp()
        self.big_raw = self.raw(48 * MIB)
        self.sources = {"box": self.big_box(), "vmdk": self.disk("vmdk", size=48 * MIB)[0], "qcow2": self.disk(size=48 * MIB)[0]}

    def big_box(self):
        return self.box(lab.metadata(), lab.member("box.img", self.disk(size=48 * MIB)[0].read_bytes()))

    def leftovers(self):
        return [path.name for path in self.room.iterdir()]

    def started(self, source):
        """One that has begun to write."""
        process = self.start("import", source, "--output", self.output)

        def data():
            with contextlib.suppress(FileNotFoundError):  # it has got its name in this moment
                return any(path.stat().st_blocks > 64 for path in self.room.glob(".*"))
            return False

        self.until("data", lambda: process.poll() is not None or data())
        return process

    def test_signals(self):
        """They end it with 128+n and without a trace, unless it was quicker."""
        for name, source in self.sources.items():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                with self.subTest(source=name, signal=number):
                    process = self.started(source)
                    code, text = self.stop(process, number)
                    if code == 0:
                        self.good_image(self.big_raw)
                        self.output.unlink()
                    else:
                        self.assertEqual(code, 128 + number, text)
                        self.assertIn("stopped: nothing was made", text)
                    self.assertEqual(self.leftovers(), [])

    def test_killed_at_any_moment(self):
        """There is the whole image or none, and the next run removes what is left."""
        chance = random.Random(20261126)
        killed = made = 0
        for name, source in self.sources.items():
            begin = lab.time.monotonic()
            self.bring(source)
            duration = lab.time.monotonic() - begin
            self.output.unlink()
            for turn in range(12):
                process = self.start("import", source, "--output", self.output)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, 1.1) * duration)
                process.kill()
                process.communicate()
                with self.subTest(source=name, turn=turn):
                    if self.output.exists():
                        made += 1
                        lab.tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", self.big_raw, self.output)
                        self.output.unlink()
                    else:
                        killed += 1
            self.until_left()
            self.bring(source)
            self.good_image(self.big_raw)
            self.output.unlink()
        self.assertGreater(killed, 0)
        self.assertGreater(killed + made, 30)

    def test_no_more_room_in_the_middle(self):
        """A limit of a file's size is as good as a full file system: a write fails."""
        for name, source in self.sources.items():
            with self.subTest(source=name):
                done = subprocess.run(["sh", "-c", 'trap "" XFSZ; ulimit -f 8192; exec "$@"', "sh",
                                       *self.command("import", source, "--output", self.output)], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, env=lab.environment(), check=False)
                self.assertIn(done.returncode, (lab.UNAVAILABLE, lab.CONFIG), done.stdout)
                self.assertIn("File too large", done.stdout)
                self.assertEqual(self.leftovers(), [])

    def test_killed_takes_qemu_img_along(self):
        process = self.start("import", self.sources["vmdk"], "--output", self.output)
        found = []

        def converting():
            found[:] = children(process.pid) or found
            return process.poll() is not None or found
        self.until("qemu-img", converting)
        process.kill()
        process.communicate()
        for pid in found:
            self.until("the end of qemu-img", lambda pid=pid: not os.path.exists(f"/proc/{pid}/cwd"))

    def test_sweeps_only_what_is_its_own(self):
        """Other files with such names stay, and those of another output, and of one that is at work."""
        others = [".windows.qcow2.casement-new-abcdef", ".other.qcow2.casement-import-abcdef", "windows.qcow2.casement-import-abcdef",
                  ".windows.qcow2.uuid"]
        for name in others:
            (self.room / name).write_bytes(b"x")
        (self.room / ".windows.qcow2.casement-import-directory").mkdir()
        (self.room / ".windows.qcow2.casement-import-abcdef").write_bytes(b"x")
        self.bring(self.sources["qcow2"])
        self.assertEqual(sorted(self.leftovers()), sorted([*others, ".windows.qcow2.casement-import-directory", "windows.qcow2"]))

    def test_two_at_once(self):
        """Both work, one of them wins, and the other one says so."""
        first, second = (self.start("import", self.sources["box"], "--output", self.output) for _ in range(2))
        ends = sorted((process.communicate()[0], process.returncode)[::-1] for process in (first, second))
        self.assertEqual([code for code, _ in ends], [0, lab.CONFIG], ends)
        self.assertRegex(ends[1][1], "somebody else has made it meanwhile|exists already")
        self.good_image(self.big_raw)


class ProgressTest(lab.ImageTest):
    def test_lines(self):
        """Elsewhere than on a terminal there is no bar."""
        text = self.bring(self.good_box())
        self.assertNotIn("\r", text)
        self.assertNotIn("\033", text)

    def test_status(self):
        path = str(self.directory / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(lab.SOON)
            words = []

            def listen():
                while not words[-1:] or not words[-1].startswith("STATUS=made of"):
                    words.append(notify.recv(4096).decode())
            # All the time: there is room for ten, and the slower it is the more are sent.
            listener = lab.threading.Thread(target=listen)
            listener.start()
            self.make("import", self.good_box(), "--output", self.output, env=lab.environment(NOTIFY_SOCKET=path))
            listener.join(lab.SOON)
        self.assertIn("STATUS=importing", words)
        self.assertIn("STATUS=checking", words)
        self.assertRegex(words[-1], "^STATUS=made of .*windows.box$")

    def test_bar(self):
        """On a terminal, and gone at the end. A big file of zeros takes long enough to see one."""
        content = lab.tar_bytes(lab.metadata(), lab.member("box.img", self.disk(size=64 * MIB)[0].read_bytes()))
        box = self.file("big.box", lab.gzip.compress(content, 1))
        master, slave = os.openpty()
        process = self.start("import", box, "--output", self.output, stderr=slave)
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):
            while piece := os.read(master, 65536):
                text += piece
        os.close(master)
        process.communicate(timeout=lab.SOON)
        self.assertEqual(process.returncode, 0, text)
        self.assertIn(b"made of", text)
        if b"importing [" in text:
            self.assertRegex(text, rb"importing \[=*>? *\] +\d+ %")
            self.assertIn(b"\r\033[K", text[text.rindex(b"importing ["):])


if __name__ == "__main__":
    unittest.main()
