"""Disks in every form that they come in."""
import os
import re
import stat
import subprocess
import unittest

import lab
from lab import MIB


class DisksTest(lab.ImageTest):
    def test_formats(self):
        for form, options in (("qcow2", []), ("qcow2", ["-o", "compat=0.10"]), ("qcow2", ["-c"]), ("raw", []), ("vpc", []),
                              ("vpc", ["-o", "subformat=fixed,force_size=on"]), ("vhdx", []), ("vmdk", []),
                              ("vmdk", ["-o", "subformat=streamOptimized"]), ("vdi", [])):
            with self.subTest(form=form, options=options):
                disk, raw = self.disk(form, *options)
                # A name says nothing.
                disk = disk.rename(self.directory / "disk.bin")
                self.bring(disk)
                if form == "vpc":
                    # It counts in cylinders: the disk may be longer, with zeros at the end.
                    lab.tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, self.output)
                else:
                    self.good_image(raw)
                self.output.unlink()
                if raw.exists():
                    raw.unlink()

    def disk(self, form="qcow2", *options, **sizes):
        if form != "raw":
            return super().disk(form, *options, **sizes)
        return self.file("disk", lab.raw_bytes(4 * MIB)), self.raw()

    def test_compressed_stays_compressed(self):
        raw = self.file("text.raw", bytes(510) + b"\x55\xaa" + b"all work and no play " * (MIB // 5) + bytes(512))
        os.truncate(raw, raw.stat().st_size // 512 * 512)
        disk = self.directory / "text.qcow2"
        lab.tool("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, disk)
        self.bring(disk)
        self.good_image(raw)
        self.assertLess(self.output.stat().st_size, MIB)

    def test_holes_stay_holes(self):
        raw = self.raw()
        disk = self.directory / "sparse.qcow2"
        lab.tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "preallocation=metadata", raw, disk)
        self.bring(disk)
        self.good_image(raw)
        self.assertLessEqual(self.output.stat().st_blocks, disk.stat().st_blocks + 16)

    def test_mode(self):
        self.bring(self.disk()[0])
        # QEMU's user reads a base that is somebody else's.
        self.assertEqual(stat.S_IMODE(self.output.stat().st_mode), 0o644)

    def test_default_place(self):
        """[guest] base, so that RUN casement-image import makes one."""
        disk, raw = self.disk()
        self.make("import", disk, env=lab.environment(CASEMENT_GUEST_BASE=str(self.output)))
        self.good_image(raw)

    def test_relative_names(self):
        disk, raw = self.disk()
        self.make("import", os.path.relpath(disk, self.room), "--output", "windows.qcow2", cwd=self.room)
        self.good_image(raw)

    def test_last_words(self):
        text = self.bring(self.disk()[0])
        self.assertRegex(text, r"windows\.qcow2: made of .*disk-\d+-1\.qcow2 in \d+\.\d s, \d+ MiB on the disk")

    def test_nothing_is_overwritten(self):
        self.output.write_bytes(b"precious")
        self.import_refused("exists already, and nothing is ever overwritten", self.disk()[0])
        self.output.unlink()
        self.output.symlink_to("/nonexistent")
        code, text = self.run_image("import", self.disk()[0], "--output", self.output)
        self.assertEqual(code, lab.CONFIG)
        self.assertIn("exists already", text)
        self.assertTrue(self.output.is_symlink())

    def test_no_directory(self):
        disk = self.disk()[0]
        for place in (self.room / "missing" / "x.qcow2", disk / "x.qcow2", f"{self.room}/"):
            with self.subTest(place=str(place)):
                code, text = self.run_image("import", disk, "--output", place)
                self.assertEqual(code, lab.CONFIG, text)
                self.assertRegex(text, "no file can be made there|exists already")
        self.assertEqual(self.listing(), {})

    def test_sources_that_are_none(self):
        self.import_refused("cannot be opened: No such file", self.directory / "missing")
        self.import_refused("is not a file", self.directory)
        self.import_refused("is not a file", "/dev/null")
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        self.import_refused("is not a file", fifo)
        self.import_refused("not a multiple of 512", self.file("odd", bytes(1000)))
        self.import_refused("is empty", self.file("empty"))
        self.import_refused("no boot sector", self.file("page", b"<html>".ljust(4096)))
        self.import_refused("ISO", self.file("iso", bytes(0x8001) + b"CD001" + bytes(1018)))
        self.import_refused("is a zip archive", self.file("zip", b"PK\3\4" + bytes(508)))
        self.import_refused("is a Windows imaging file", self.file("wim", b"MSWIM\0\0\0" + bytes(504)))

    def test_in_use(self):
        """A copy of what changes meanwhile is no disk."""
        source = self.directory / "running.qcow2"
        lab.tool("qemu-img", "create", "-q", "-f", "qcow2", source, "64M")
        with subprocess.Popen(["qemu-io", "-f", "qcow2", str(source)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            # It has the disk open once it has answered.
            writer.stdin.write(b"length\n")
            writer.stdin.flush()
            writer.stdout.readline()
            self.import_refused("a QEMU or a qemu-img writes to it", source, code=lab.UNAVAILABLE)
            writer.stdin.close()

    def test_truncated_qcow2(self):
        disk = self.disk(size=16 * MIB)[0]
        whole = disk.read_bytes()
        self.import_refused("truncated", self.file("short.qcow2", whole[:100]))
        # Its header is whole, its data are not.
        self.import_refused("is damaged, says qemu-img check", self.file("shorter.qcow2", whole[:len(whole) // 2 // 512 * 512]))

    def test_truncated_foreign(self):
        """qemu-img convert takes most of them and puts zeros where something is missing."""
        for form, options, text in (("vhdx", [], "qemu-img"), ("vmdk", [], "is damaged, says qemu-img check"), ("vdi", [], "is a truncated VDI"),
                                    ("vmdk", ["-o", "subformat=streamOptimized"], "qemu-img"),
                                    ("vpc", [], "is a truncated VHD")):
            with self.subTest(form=form, options=options):
                whole = self.disk(form, *options, size=16 * MIB)[0].read_bytes()
                self.import_refused(text, self.file("short", whole[:len(whole) * 2 // 3 // 512 * 512]))

    def test_truncated_raw(self):
        """A partition table says how long the disk was."""
        for label in ("dos", "gpt"):
            with self.subTest(label=label):
                raw = self.file(f"{label}.raw", bytes(32 * MIB))
                lab.subprocess.run(["sfdisk", "-q", raw], input=f"label: {label}\n,\n", text=True, check=True)
                self.bring(raw)
                self.good_image(raw)
                self.output.unlink()
                os.truncate(raw, 24 * MIB)
                self.import_refused("is a truncated disk", raw)

    def test_secrets_below(self):
        """No image that names another file, in whatever way, is a way to read it."""
        secret = self.file("secret", lab.raw_bytes(MIB))
        overlay = self.directory / "overlay.qcow2"
        lab.tool("qemu-img", "create", "-f", "qcow2", "-b", secret, "-F", "raw", overlay)
        self.import_refused(f"is an overlay on {secret}", overlay)
        overlay = self.directory / "overlay.vmdk"
        base = self.disk("vmdk")[0]
        lab.tool("qemu-img", "create", "-f", "vmdk", "-b", base, "-F", "vmdk", overlay)
        self.import_refused("is an overlay on", overlay)
        text = f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 2048 FLAT "{secret}" 0\n'
        self.import_refused("only the descriptor of a VMDK", self.file("flat.vmdk", text.encode().ljust(1024, b"\n")))
        external = self.directory / "external.qcow2"
        lab.tool("qemu-img", "create", "-f", "qcow2", "-o", f"data_file={secret},data_file_raw=on", external, MIB)
        self.import_refused("external data file", external)

    def test_no_room(self):
        """A file system that is too small, which is said before anything is written."""
        big, _ = self.disk("vmdk", size=24 * MIB)
        box = self.box(lab.metadata(), lab.member("box.img", self.disk(size=24 * MIB)[0].read_bytes()))
        small = self.directory / "small"
        small.mkdir()
        script = f"mount -t tmpfs -o size=4m tmpfs {small} && shift 0 && \"$@\"; code=$?; ls -A {small}; exit $code"
        for source in (big, box):
            with self.subTest(source=source.name):
                done = lab.subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh",
                                           *self.command("import", source, "--output", small / "x.qcow2")],
                                          stdout=lab.subprocess.PIPE, stderr=lab.subprocess.STDOUT, text=True, check=False,
                                          env=lab.environment())
                self.assertEqual(done.returncode, lab.UNAVAILABLE, done.stdout)
                self.assertRegex(done.stdout, r"needs \d+ MiB in .*small, which has \d+ MiB left: make room")
                self.assertNotIn("x.qcow2\n", re.sub(r".*error.*\n", "", done.stdout))
                self.assertNotIn(".x.qcow2", done.stdout)


class UsageTest(lab.ImageTest):
    def usage(self, text, *words):
        code, said = self.run_image(*words)
        self.assertEqual(code, lab.USAGE, said)
        self.assertIn(text, said)

    def test_mistakes(self):
        self.usage("a verb is missing")
        self.usage('"export" is not a verb', "export")
        self.usage("wants one SOURCE", "import")
        self.usage("wants one SOURCE", "pull", "a", "b")
        self.usage("takes no argument", "prepare", "x")
        self.usage("this option is for pull", "import", "x", "--version", "1")
        self.usage("is no time", "pull", "x", "--patience", "10ms")
        self.usage("try 'casement-image --help'", "import", "--frobnicate")

    def test_help_and_version(self):
        self.assertIn("Usage: casement-image", self.make("--help"))
        self.assertRegex(self.make("--version"), r"^casement-image \d+\.\d+")

    def test_bad_configuration(self):
        self.config.write_text("[guest]\nsource = relative\n", encoding="utf-8")
        code, text = self.run_image("prepare")
        self.assertEqual(code, lab.CONFIG, text)
        self.assertIn("is not an absolute path", text)


if __name__ == "__main__":
    unittest.main()
