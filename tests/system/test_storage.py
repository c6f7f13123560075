"""Two containers of one image that holds a Windows: each has an overlay of its own, the image stays as it is."""
import io
import json
import os
import shutil
import tarfile
import tempfile
import unittest

import harness


class OverlayTest(harness.SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = cls.build("mini")

    @classmethod
    def build(cls, guest, time=None):
        """An image that has @guest as its base."""
        image = f"{harness.PREFIX}-{next(harness.numbers)}"
        with tempfile.TemporaryDirectory(dir="/var/tmp") as context:
            shutil.copyfile(harness.guest_image(guest), f"{context}/mini.qcow2")
            if time:
                os.utime(f"{context}/mini.qcow2", (time, time))
            with open(f"{context}/Dockerfile", "w", encoding="ascii") as recipe:
                recipe.write(f"FROM {harness.IMAGE}\nLABEL {harness.LABEL}={os.getpid()}\n"
                             "COPY mini.qcow2 /images/windows.qcow2\n")
            # From its cache Docker takes a copy with another time for the same.
            harness.docker("build", "-q", "--no-cache", "-t", image, context)
        cls.addClassCleanup(harness.docker, "rmi", "-f", image, check=False)
        return image

    def test_two_containers_of_one_image(self):
        base = harness.docker("run", "--rm", "--label", f"{harness.LABEL}={os.getpid()}", "--network", "none", "--entrypoint",
                              "sha256sum", self.image, "/images/windows.qcow2").split()[0]
        guests = [self.container(disk=None, image=self.image).start() for _ in range(2)]
        for guest in guests:
            guest.wait_ready()
        for guest in guests:
            with guest.rdp() as connection:
                harness.echo(connection)
            disk = json.loads(harness.run("qemu-img", "info", "--output=json", "-U", str(guest.disk)))
            self.assertEqual((disk["format"], disk["backing-filename"]), ("qcow2", "/images/windows.qcow2"))
            after = harness.docker("exec", guest.name, "sha256sum", "/images/windows.qcow2").split()[0]
            self.assertEqual(after, base, "the base was written")
            # Not even its owner may change: that alone would copy the whole base into the container's layer.
            changed = harness.docker("diff", guest.name).splitlines()
            self.assertEqual([line for line in changed if "/images" in line], [])
        for guest in guests:
            self.assertEqual(guest.stop(), 0, guest.logs())
            self.assertIn("No errors", self.check_overlay(guest))

    def check_overlay(self, guest):
        return harness.docker("run", "--rm", "--label", f"{harness.LABEL}={os.getpid()}", "--network", "none", "-v",
                              f"{guest.storage}:/storage", "--entrypoint", "qemu-img", self.image, "check",
                              "/storage/windows.qcow2")

    def test_the_overlay_is_used_again(self):
        guest = self.container(disk=None, image=self.image).start()
        guest.wait_ready()
        inode = guest.disk.stat().st_ino
        harness.docker("restart", "-t", "60", guest.name, timeout=120)
        guest.wait_ready()
        self.assertEqual(guest.disk.stat().st_ino, inode)

    def test_the_image_is_built_again(self):
        """The volume of a container meets another image: with a copy of its base it boots, with another base it does not."""
        first = self.container(disk=None, image=self.image).start()
        first.wait_ready()
        self.assertEqual(first.stop(), 0, first.logs())
        record = first.storage / "windows.qcow2.base"
        self.assertIn("/images/windows.qcow2", record.read_text(encoding="utf-8"))

        again = self.container(disk=None, storage=first.storage, image=self.build("mini", time=1000000000)).start()
        again.wait_ready()
        self.assertIn("so it is taken for a copy", again.logs())
        self.assertIn(" 1000000000 ", record.read_text(encoding="utf-8"))
        self.assertEqual(again.stop(), 0, again.logs())

        before = first.disk.read_bytes()
        other = self.container(disk=None, storage=first.storage, image=self.build("button")).start()
        self.assertEqual(other.wait_exit(), 78, other.logs())
        self.assertIn("which is not the image that it was made on", other.logs())
        self.assertEqual(first.disk.read_bytes(), before)


class CapabilitiesTest(harness.SystemTest):
    """What libvirtd knows about QEMU goes along with the disk."""

    # The name is the SHA-256 of QEMU's path.
    CACHE = ("/var/cache/libvirt/qemu/capabilities/"
             "926803a9278e445ec919c2b6cbd8c1c449c75b26dcb1686b774314180376c725.xml")

    def boot(self, storage):
        """libvirtd's file once QEMU runs."""
        # Without KVM, so that it does not matter whether that works here: libvirtd asks again where it might have changed.
        guest = self.container(disk=None, storage=storage, devices=("/dev/net/tun",)).start()
        guest.wait_status("QEMU runs", lambda status: status["guest"]["pid"], 60)
        content = guest.file(self.CACHE)
        guest.remove()
        return content

    def test_a_new_container_does_not_ask_again(self):
        storage = self.container().storage
        kept = storage / "windows.qcow2.capabilities"
        known = self.boot(storage)
        self.assertEqual(kept.read_text(encoding="utf-8"), known)
        # What libvirtd writes by itself has no such mark.
        marked = known.replace("<qemuCaps>", "<!-- kept --><qemuCaps>")
        kept.write_text(marked, encoding="utf-8")
        self.assertEqual(self.boot(storage), marked)
        for name, broken in (("half", marked[:len(marked) // 2]), ("zeros", "\0" * len(marked)), ("empty", ""),
                             ("of another QEMU", marked.replace("<qemuctime>1", "<qemuctime>2")),
                             ("of another libvirtd", marked.replace("<selfvers>1", "<selfvers>2"))):
            with self.subTest(name):
                kept.write_text(broken, encoding="utf-8")
                self.assertEqual(self.boot(storage), known)
                self.assertEqual(kept.read_text(encoding="utf-8"), known)
        with self.subTest("somebody else could have written it"):
            kept.write_text(marked, encoding="utf-8")
            kept.chmod(0o666)
            self.assertEqual(self.boot(storage), known)


class SourceTest(harness.SystemTest):
    def test_first_start_from_a_box(self):
        """The box becomes the disk before the guest boots; the second start finds the disk."""
        guest = self.container(disk=None, environment={"CASEMENT_GUEST_SOURCE": "/storage/windows.box"})
        box = guest.disk.parent / "windows.box"
        with tarfile.open(box, "w:gz") as archive:
            for name, path in (("metadata.json", None), ("box.img", harness.guest_image("mini"))):
                content = b'{"provider": "libvirt", "format": "qcow2", "virtual_size": 1}'
                if path:
                    with open(path, "rb") as file:
                        content = file.read()
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        guest.start().wait_ready()
        self.assertIn("made of /storage/windows.box", guest.logs())
        inode = guest.disk.stat().st_ino
        box.unlink()
        harness.docker("restart", "-t", "60", guest.name, timeout=120)
        guest.wait_ready()
        self.assertEqual(guest.disk.stat().st_ino, inode)
        self.assertEqual(guest.stop(), 0, guest.logs())

    def test_in_place(self):
        """A disk elsewhere is the guest's disk: nothing is made of it, and it is one container's."""
        own = self.container(disk=None)
        source = own.storage / "mine.img"
        shutil.copyfile(harness.guest_image("mini"), source)
        options = {"disk": None, "options": ("-v", f"{own.storage}:/mine"),
                   "environment": {"CASEMENT_GUEST_SOURCE": "/mine/mine.img", "CASEMENT_GUEST_IN_PLACE": "yes"}}
        first, second = self.container(**options), self.container(**options)
        first.start().wait_ready()
        self.assertEqual(os.listdir(first.storage), [])
        self.assert_refused(second, 69, "/mine/mine.img ([guest] source) is in use by another container")
        self.assertEqual(first.stop(), 0, first.logs())
        self.assertEqual(sorted(os.listdir(own.storage)), ["mine.img", "mine.img.capabilities", "mine.img.lock", "mine.img.uuid"])
        source.write_bytes(b"KDMV".ljust(512, b"\0"))
        self.assert_refused(second, 78, "/mine/mine.img ([guest] source)", "without [guest] in-place it is imported")
        self.assertEqual(os.listdir(second.storage), [])

    def test_base_at_build_time(self):
        """RUN casement-image import makes a base that everybody can read."""
        image = f"{harness.PREFIX}-{next(harness.numbers)}"
        with tempfile.TemporaryDirectory(dir="/var/tmp") as context:
            shutil.copyfile(harness.guest_image("mini"), f"{context}/disk")
            with open(f"{context}/Dockerfile", "w", encoding="ascii") as recipe:
                recipe.write(f"FROM {harness.IMAGE}\nLABEL {harness.LABEL}={os.getpid()}\nCOPY disk /tmp/\n"
                             "RUN casement-image import /tmp/disk && rm /tmp/disk\n")
            harness.docker("build", "-q", "-t", image, context)
        self.addCleanup(harness.docker, "rmi", "-f", image, check=False)
        guest = self.container(disk=None, image=image).start()
        guest.wait_ready()
        self.assertEqual(guest.stop(), 0, guest.logs())


if __name__ == "__main__":
    unittest.main()
