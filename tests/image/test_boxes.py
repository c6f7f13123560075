"""Vagrant boxes for libvirt: good ones, odd ones, damaged ones and traps."""
import gzip
import io
import json
import os
import subprocess
import tarfile
import unittest

import lab
from lab import MIB, member, metadata


class GoodBoxesTest(lab.ImageTest):
    def setUp(self):
        super().setUp()
        disk, self.raw_disk = self.disk("qcow2", "-c")
        self.qcow2 = disk.read_bytes()
        lab.tool("qemu-img", "create", "-f", "qcow2", self.directory / "small", MIB)
        self.small = (self.directory / "small").read_bytes()

    def test_both_forms(self):
        listed = metadata(disks=[{"path": "disk.qcow2", "format": "qcow2", "virtual_size": 1}])
        for compress in (True, False):
            for first, name in ((metadata(), "box.img"), (listed, "disk.qcow2")):
                for order in (1, -1):
                    with self.subTest(name=name, compress=compress, order=order):
                        members = [first, member("./Vagrantfile", b"raise 'no'"), member(f"./{name}", self.qcow2)]
                        self.bring(self.box(*members[::order], compress=compress))
                        self.good_image(self.raw_disk)
                        # The very image, nothing converted.
                        self.assertEqual(self.output.read_bytes(), self.qcow2)
                        self.output.unlink()

    def test_wrong_guess(self):
        """A big member in front of the metadata that is not the disk."""
        listed = metadata(disks=[{"path": "disk.qcow2"}])
        other = self.disk(size=2 * MIB, seed=7)[0].read_bytes() + bytes(MIB)
        wanted = member("disk.qcow2", self.qcow2)
        for name, members in {
                "no disk": (member("a.bin", os.urandom(3 * MIB)), listed, wanted),
                "another disk": (member("a.bin", other), listed, wanted),
                "behind both": (member("a.bin", other), wanted, listed),
                "too small to be noticed": (member("disk.qcow2", self.small), listed)}.items():
            with self.subTest(name):
                self.bring(self.box(*members))
                self.assertEqual(self.output.read_bytes(), self.small if "small" in name else self.qcow2)
                self.output.unlink()

    def test_gnu_tars_sparse_members(self):
        """As vagrant-libvirt's create_box.sh packs them: tar -S."""
        disk = self.directory / "box.img"
        lab.tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "preallocation=metadata", self.raw(16 * MIB), disk)
        with open(disk, "r+b") as file:
            file.truncate(28 * MIB)
        (self.directory / "metadata.json").write_bytes(metadata()[1])
        box = self.directory / "sparse.box"
        lab.tool("tar", "czSf", box, "-C", self.directory, "./metadata.json", "./box.img")
        self.bring(box)
        self.good_image(self.raw(16 * MIB))
        self.assertEqual(self.output.stat().st_size, 28 * MIB)
        self.assertLess(self.output.stat().st_blocks * 512, 20 * MIB)

    def test_zeros_are_not_written(self):
        """A member that is not marked as sparse."""
        disk = self.qcow2 + bytes(512 - len(self.qcow2) % 512)
        self.bring(self.box(metadata(), member("box.img", disk + bytes(12 * MIB))))
        self.assertEqual(self.output.stat().st_size, len(disk) + 12 * MIB)
        self.assertLess(self.output.stat().st_blocks * 512, len(disk) + MIB)

    def test_pax_and_long_names(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info, content in (metadata(disks=[{"path": "d" * 150 + "/ü.img"}]), member("./" + "d" * 150 + "/ü.img", self.qcow2)):
                archive.addfile(info, io.BytesIO(content))
        self.bring(self.file("pax.box", out.getvalue()))
        self.good_image(self.raw_disk)

    def test_several_gzip_members(self):
        """pigz and cat make them."""
        content = lab.tar_bytes(metadata(), member("box.img", self.qcow2))
        half = len(content) // 2
        self.bring(self.file("two.box", gzip.compress(content[:half]) + gzip.compress(content[half:])))
        self.good_image(self.raw_disk)

    def test_a_real_guest(self):
        """The stand-in guest, packed as a box with tar czf."""
        guest = subprocess.run([lab.TOP / "tests/guests/build", "mini"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               text=True, check=True).stdout.strip()
        (self.directory / "metadata.json").write_bytes(metadata()[1])
        os.symlink(guest, self.directory / "box.img")
        box = self.directory / "mini.box"
        lab.tool("tar", "czhf", box, "-C", self.directory, "metadata.json", "box.img")
        self.bring(box)
        lab.tool("cmp", guest, self.output)


class BadBoxesTest(lab.ImageTest):
    def bad(self, text, *members, **options):
        return self.import_refused(text, self.box(*members, **options))

    def test_other_providers(self):
        self.bad("is a box for virtualbox: get the one for libvirt", metadata(provider="virtualbox"), member("box.ovf", b"x"))

    def test_no_metadata(self):
        self.bad("has no metadata.json: it is no Vagrant box", member("box.img", self.qcow2_bytes()))
        self.bad("has no metadata.json", member("README", b"hello"))

    def test_bad_metadata(self):
        self.bad("is not JSON", member("metadata.json", b"{"), member("box.img", self.qcow2_bytes()))
        self.bad("has 2 disks", metadata(disks=[{"path": "a"}, {"path": "b"}]))
        self.bad("does not name the disk by a path inside of the box", metadata(disks=[{"path": "/etc/shadow"}]))
        self.bad("has the format vmdk", metadata(format="vmdk"))

    def test_no_disk(self):
        self.bad("box.img in it should be the disk and is not there", metadata())
        self.bad("is empty", metadata(), member("box.img"))

    def test_twice(self):
        disk = self.qcow2_bytes()
        self.bad("is there twice", metadata(), member("box.img", disk), member("./box.img", disk))
        self.bad("is there twice", metadata(), metadata(), member("box.img", disk))

    def test_names_that_lead_out(self):
        disk = self.qcow2_bytes()
        for name in ("/etc/passwd", "../../etc/passwd", "a/../../b"):
            with self.subTest(name=name):
                self.bad("has a name that leads out of the box", metadata(), member(name, b"x"), member("box.img", disk))

    def test_links_and_devices(self):
        disk = self.qcow2_bytes()
        for kind, text in ((tarfile.SYMTYPE, "is a symbolic link"), (tarfile.LNKTYPE, "is a hard link"),
                           (tarfile.CHRTYPE, "is a device"), (tarfile.BLKTYPE, "is a device"), (tarfile.FIFOTYPE, "a FIFO")):
            with self.subTest(kind=kind):
                self.bad(text, metadata(), member("box.img", type=kind, linkname="/etc/shadow"), member("x", disk))

    def test_disks_that_name_files(self):
        secret = self.file("secret", lab.raw_bytes(MIB))
        overlay = self.directory / "overlay.qcow2"
        lab.tool("qemu-img", "create", "-f", "qcow2", "-b", secret, "-F", "raw", overlay)
        self.bad(f"is an overlay on {secret}", metadata(), member("box.img", overlay.read_bytes()))
        lab.tool("qemu-img", "create", "-u", "-f", "qcow2", "-b", "json:{}", "-F", "raw", overlay, MIB)
        self.bad("is an overlay on json:{}", metadata(), member("box.img", overlay.read_bytes()))

    def test_disks_that_are_none(self):
        self.bad("is no qcow2 image", metadata(), member("box.img", lab.raw_bytes(2 * MIB)))
        self.bad("VMDK", metadata(), member("box.img", self.disk("vmdk")[0].read_bytes()))
        self.bad("is damaged, says qemu-img check", metadata(), member("box.img", self.qcow2_bytes()[:MIB]))

    def test_truncated(self):
        whole = self.good_box().read_bytes()
        for n in (20, 1000, len(whole) // 2, len(whole) - 1):
            with self.subTest(bytes=n):
                self.import_refused("ends in the middle", self.file("short.box", whole[:n]))
        whole = self.good_box(compress=False).read_bytes()
        self.import_refused("get it again", self.file("short.tar", whole[:len(whole) // 2]))

    def test_flipped_bits(self):
        whole = bytearray(self.good_box().read_bytes())
        for at in (len(whole) // 2, len(whole) - 6):
            with self.subTest(at=at):
                whole[at] ^= 0x10
                self.import_refused("damaged", self.file("flipped.box", whole))
                whole[at] ^= 0x10

    def test_garbage_behind(self):
        whole = lab.tar_bytes(metadata(), member("box.img", self.qcow2_bytes()))
        self.import_refused("goes on behind its end", self.file("more.box", gzip.compress(whole + bytes(8 * MIB))))

    def test_noise(self):
        self.import_refused("damaged", self.file("noise.box", b"\x1f\x8b\x08" + os.urandom(9997)))
        self.import_refused("no box, or a damaged one", self.file("noise.box", gzip.compress(os.urandom(100_000))))


class TrapsTest(lab.ImageTest):
    """Members that claim to be huge, with as little content as there is room for in a test: gzip packs zeros well."""

    def trap(self, *headers, zeros=64 * MIB):
        """A box of headers with these sizes; the last one is followed by zeros."""
        path = self.directory / "trap.box"
        with gzip.open(path, "wb", 1) as out:
            for info, content in headers:
                out.write(info.tobuf(tarfile.GNU_FORMAT))
                out.write(content.ljust((len(content) + 511) // 512 * 512, b"\0"))
            for _ in range(0, zeros, MIB):
                out.write(bytes(MIB))
        return path

    def huge(self, name, size, content=b""):
        info, content = member(name, content)
        info.size = size
        return info, content

    def test_gigabyte_of_metadata(self):
        self.import_refused("metadata.json in it is larger than a megabyte",
                            self.trap(self.huge("metadata.json", 1 << 30), zeros=4 * MIB))

    def test_more_than_there_is_room_for(self):
        self.import_refused("make room", self.trap(metadata(), self.huge("box.img", 1 << 60, self.qcow2_bytes())),
                            code=lab.UNAVAILABLE)

    def test_bomb_behind_a_header(self):
        """A qcow2 of 4 MiB cannot have 4 GiB of data: that is noticed after 64 kB of it."""
        text = self.import_refused("is larger than an image of its virtual size can be",
                                   self.trap(metadata(), self.huge("box.img", 4 << 30, self.qcow2_bytes())))
        self.assertNotIn("needs", text)

    def test_virtual_size_is_not_the_stated_one(self):
        disk = self.directory / "big.qcow2"
        lab.tool("qemu-img", "create", "-f", "qcow2", disk, "1T")
        self.import_refused("has a larger virtual size than metadata.json says",
                            self.box(metadata(virtual_size=40), member("box.img", disk.read_bytes())))
        self.import_refused("has a larger virtual size than metadata.json says",
                            self.box(member("box.img", disk.read_bytes() + bytes(MIB)), metadata(virtual_size=40)))

    def test_gigabytes_of_other_things(self):
        self.import_refused("there is more than a gigabyte of such",
                            self.trap(metadata(), self.huge("other.bin", 2 << 30), zeros=4 * MIB))

    def test_names_do_not_forge_lines_of_the_log(self):
        name = "x\nerror image: everything is fine\x1b[2J/../y"
        text = self.import_refused("leads out of the box", self.box(metadata(), member(name, b"x")))
        self.assertNotIn("\x1b", text)
        self.assertEqual(len(text.splitlines()), 1)

    def test_deep_json(self):
        self.import_refused("is not JSON", self.box(member("metadata.json", b"[" * 900_000)))
        self.assertEqual(json.loads("[]"), [])


if __name__ == "__main__":
    unittest.main()
