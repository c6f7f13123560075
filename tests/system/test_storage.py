"""Two containers of one image that holds a Windows: each has an overlay of its own, the image stays as it is."""
import json
import os
import shutil
import tempfile
import unittest

import harness


class OverlayTest(harness.SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = f"{harness.PREFIX}-{next(harness.numbers)}"
        with tempfile.TemporaryDirectory(dir="/var/tmp") as context:
            shutil.copyfile(harness.guest_image("mini"), f"{context}/mini.qcow2")
            with open(f"{context}/Dockerfile", "w", encoding="ascii") as recipe:
                recipe.write(f"FROM {harness.IMAGE}\nLABEL {harness.LABEL}={os.getpid()}\n"
                             "COPY mini.qcow2 /images/windows.qcow2\n")
            harness.docker("build", "-q", "-t", cls.image, context)
        cls.addClassCleanup(harness.docker, "rmi", "-f", cls.image, check=False)

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


if __name__ == "__main__":
    unittest.main()
