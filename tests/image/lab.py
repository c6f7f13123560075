"""A directory to work in, disks and boxes to bring in, and casement-image run on them.

Every test has a directory of its own below /tmp, on a real file system: whatever casement-image leaves there is seen. What
it makes is looked at by qemu-img, never by casement's own code.
"""
import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CASEMENT_BUILD", TOP / "build"))
PROGRAM = BUILD / "image" / "casement-image"

# How long something that must happen may take on a busy machine.
SOON = 60

MIB = 1 << 20
USAGE, UNAVAILABLE, CONFIG = 64, 69, 78

# fcntl.h: a lock of the open file description, on the first byte. Python 3.11 does not know its number.
F_OFD_SETLK = 37
FIRST_BYTE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)


def tool(*command, **options):
    """A command that must succeed; what it wrote."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600, check=False, **options)
    if done.returncode:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}")
    return done.stdout


def environment(**more):
    """Nothing of ours but what is given."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("CASEMENT_") and name != "NOTIFY_SOCKET" and "proxy" not in name.lower()}
    return {**kept, **more}


def raw_bytes(size, seed=1):
    """A disk: a boot sector, and every other 64 kB full of noise."""
    noise = random.Random(seed)
    content = bytearray(size)
    for at in range(0, size, 128 << 10):
        n = min(64 << 10, size - at)
        content[at:at + n] = noise.randbytes(n)
    content[0:512] = b"\xeb\xfe" + bytes(508) + b"\x55\xaa"
    return bytes(content)


def member(name, content=b"", **fields):
    """A member of a tar archive as (header, content)."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar_bytes(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def metadata(**fields):
    return member("./metadata.json", json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": 1, **fields}).encode())


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class ImageTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casement-image.", dir="/tmp")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.config = self.directory / "casement.conf"
        self.config.write_text("", encoding="utf-8")
        self.room = self.directory / "images"
        self.room.mkdir()
        self.output = self.room / "windows.qcow2"

    # What there is to bring in.

    def file(self, name, content=b""):
        path = self.directory / name
        path.write_bytes(content)
        return path

    def raw(self, size=4 * MIB, seed=1):
        return self.file(f"disk-{size}-{seed}.raw", raw_bytes(size, seed))

    def disk(self, form="qcow2", *options, size=4 * MIB, seed=1):
        """A disk image in one of qemu-img's formats, and the raw one that it is made of."""
        raw = self.raw(size, seed)
        path = self.directory / f"disk-{size}-{seed}.{form}"
        tool("qemu-img", "convert", "-f", "raw", "-O", form, *options, raw, path)
        return path, raw

    def qcow2_bytes(self, **options):
        return self.disk("qcow2", "-c", **options)[0].read_bytes()

    def box(self, *members, name="windows.box", compress=True):
        content = tar_bytes(*members)
        return self.file(name, gzip.compress(content, 1) if compress else content)

    def good_box(self, **options):
        return self.box(metadata(), member("./Vagrantfile", b"raise 'executed'"), member("./box.img", self.qcow2_bytes()),
                        **options)

    # casement-image at work.

    def command(self, *words):
        return [str(PROGRAM), "--config", str(self.config), *(str(word) for word in words)]

    def start(self, *words, **options):
        usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environment()}
        process = subprocess.Popen(self.command(*words), text=True, **{**usual, **options})
        self.addCleanup(self.bury, process)
        return process

    @staticmethod
    def bury(process):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()

    def run_image(self, *words, **options):
        """The exit code, and what it said."""
        process = self.start(*words, **options)
        text, _ = process.communicate(timeout=SOON * 5)
        return process.returncode, text

    def make(self, *words, **options):
        code, text = self.run_image(*words, **options)
        self.assertEqual(code, 0, text)
        return text

    def bring(self, source, *words):
        return self.make("import", source, "--output", self.output, *words)

    def listing(self):
        found = {}
        for path in self.room.iterdir():
            with contextlib.suppress(FileNotFoundError):  # removed in this moment
                found[path.name] = path.stat().st_size, path.read_bytes()[:64]
        return found

    def until_left(self):
        """Wait until nobody holds what a casement-image that was killed has left: its qemu-img dies with it, but a moment later."""
        def left():
            for path in self.room.glob(".*.casement-*"):
                with contextlib.suppress(FileNotFoundError, IsADirectoryError), path.open("r+b") as file:
                    try:
                        fcntl.fcntl(file, F_OFD_SETLK, FIRST_BYTE)
                    except BlockingIOError:
                        return False
            return True

        self.until("files that nobody holds", left)

    def refused(self, text, *words, code=CONFIG):
        """It ends with this code and says this, in one line; and there is nothing new."""
        before = self.listing()
        got, said = self.run_image(*words)
        self.assertEqual(got, code, said)
        self.assertIn(text, said)
        errors = [line for line in said.splitlines() if line.startswith("error ")]
        self.assertEqual(len(errors), 1, said)
        self.assertEqual(self.listing(), before)
        return said

    def import_refused(self, text, source, code=CONFIG):
        return self.refused(text, "import", source, "--output", self.output, code=code)

    # What was made.

    def good_image(self, raw, output=None):
        """It is a sound qcow2 that stands for itself, has this content, and is alone there."""
        output = output or self.output
        info = json.loads(tool("qemu-img", "info", "--output=json", "-f", "qcow2", output))
        self.assertNotIn("backing-filename", info)
        tool("qemu-img", "check", "-q", "-f", "qcow2", output)
        tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, output)
        self.assertEqual([path.name for path in output.parent.iterdir()], [output.name])

    @staticmethod
    def until(what, question):
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline:
            answer = question()
            if answer:
                return answer
            time.sleep(0.01)
        raise AssertionError(f"not within {SOON} s: {what}")

    def stop(self, process, number=signal.SIGTERM):
        """End it; its exit code and what it said."""
        process.send_signal(number)
        text, _ = process.communicate(timeout=SOON)
        return process.returncode, text
