"""An installation, from a medium that copies mini to the blank disk and resets the machine."""
import os
import signal
import unittest

import world

IMAGE = world.BUILD / "image/casement-image"
TEMPLATE = world.TOP / "image/autounattend.xml"
PASSWORD = "Geheim-4711"
DISK = "/storage/windows.qcow2"


class InstallTest(world.WorldTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("installer.iso", "virtio.iso"):
            cls.world.put_image("installer", f"/images/{name}")
        # A secret, as Docker mounts it.
        secrets = cls.world.path("/run/secrets")
        secrets.mkdir()
        (secrets / "windows-password").write_text(PASSWORD + "\n", encoding="ascii")

    def setUp(self):
        super().setUp()
        self.environment = {"CASEMENT_GUEST_ISO": "/images/installer.iso", "CASEMENT_GUEST_VIRTIO_ISO": "/images/virtio.iso",
                            "CASEMENT_GUEST_WINDOWS": "10", "CASEMENT_GUEST_TPM": "no", "CASEMENT_GUEST_USER": "anna"}

    def prepare(self):
        """What casement-image does before the keeper is started."""
        config = self.world.path("/run/casement/test.conf")
        config.write_text("", encoding="ascii")
        variables = [f"{key}={value}" for key, value in self.environment.items()]
        return self.world.command("env", "-i", "PATH=/usr/bin", *variables, IMAGE, "--config", "/run/casement/test.conf", "prepare", "--template", TEMPLATE)

    def there(self):
        return sorted(path.name for path in self.world.path("/storage").iterdir())

    def start_guest(self):
        self.prepare()
        return self.start(**self.environment)

    def test_from_blank_to_answering(self):
        self.assertIn("made, a blank disk of 65536 MiB", self.prepare())
        answers = self.world.path(DISK + ".answers.iso")
        keeper = self.start(**self.environment)
        keeper.wait_field("GUEST_REASON", "installing")
        # QEMU's user may read the answers, and nobody else.
        status = answers.stat()
        self.assertEqual((status.st_mode & 0o777, status.st_uid), (0o400, self.qemu_uid()))
        self.assertIn("being installed", keeper.fields()["STATUS"])
        keeper.wait_answering()
        # The medium ran first, and then the disk, which it had written.
        self.world.until("all lines", 30, lambda: "casement-guest-event: up" in self.world.serial())
        serial = self.world.serial()
        self.assertLess(serial.index("installer: done"), serial.index("casement-guest-event: booting"), serial)
        self.assertEqual(serial.count("installer: up"), 1)
        # One is removed after the other.
        self.world.until("the end of the installation", 30,
                         lambda: not {"windows.qcow2.installing", "windows.qcow2.answers.iso"} & set(self.there()))
        keeper.wait_line("the guest is installed")
        keeper.wait_field("GUEST_REASON", "")
        self.world.until("an empty drive", 30, lambda: ".answers.iso" not in self.world.virsh("domblklist", "windows"))
        self.assertIn("installer.iso", self.world.virsh("domblklist", "windows"))
        self.no_secret(keeper)
        self.stop_cleanly(keeper)
        self.world.settle()
        # The next start has a disk, and nothing to install.
        self.assertEqual(self.prepare(), "")
        keeper = self.start(**self.environment)
        keeper.wait_answering()
        self.assertNotIn("installer.iso", self.world.virsh("domblklist", "windows"))
        keeper.wait_line("nothing is installed from /images/installer.iso ([guest] iso): there is a disk")
        self.stop_cleanly(keeper)

    def qemu_uid(self):
        return int(self.world.command("id", "-u", "libvirt-qemu"))

    def no_secret(self, keeper):
        """The password is in no log, on no command line and in no environment."""
        self.assertNotIn(PASSWORD, keeper.log() + self.world.serial())
        self.assertNotIn(PASSWORD, self.world.command("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '"))
        found = self.world.command("grep", "-rlsF", PASSWORD, "/storage", "/var/log/libvirt", "/var/log/casement", "/etc/libvirt",
                                   "/run/casement", "/run/libvirt", check=False)
        self.assertEqual(found, "")

    def test_cut_short(self):
        """A guest that was killed in the middle of it is installed by the next start."""
        keeper = self.start_guest()
        self.world.until("the installer", world.BOOT, lambda: "installer: up" in self.world.serial())
        keeper.kill(signal.SIGQUIT)
        self.assertEqual(keeper.wait(40), 10, keeper.log())
        self.world.settle()
        self.assertIn("windows.qcow2.installing", self.there())
        self.assertIn("goes on being installed", self.prepare())
        keeper = self.start(**self.environment)
        keeper.wait_answering()
        self.stop_cleanly(keeper)

    def test_a_medium_out_of_reach(self):
        self.prepare()
        medium = self.world.path("/images/installer.iso")
        os.chmod(medium, 0o600)
        try:
            keeper = self.start(**self.environment)
            self.assertEqual(keeper.wait(), 78)
            self.assertIn("/images/installer.iso ([guest] iso) cannot be read for the user libvirt-qemu", keeper.log())
        finally:
            os.chmod(medium, 0o644)


if __name__ == "__main__":
    unittest.main()
