"""[guest] iso in the real image: from a blank volume to a guest that answers, and what becomes of the password."""
import base64
import contextlib
import os
import pathlib
import tempfile
import unittest

import harness

PASSWORD = "Sehr-geheim-42"
SECRET = "/run/secrets/windows-password"
WINDOWS = {"CASEMENT_GUEST_ISO": "/media/installer.iso", "CASEMENT_GUEST_WINDOWS": "10", "CASEMENT_GUEST_USER": "anna"}


class InstallTest(harness.SystemTest):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casement-install.", dir="/var/tmp")
        self.addCleanup(directory.cleanup)
        self.secret = pathlib.Path(directory.name) / "password"
        self.secret.write_text(PASSWORD + "\n", encoding="ascii")
        self.secret.chmod(0o600)

    def installing(self, *options, **environment):
        medium = harness.guest_image("installer")
        medium.chmod(0o644)
        return self.container(disk=None, environment={**WINDOWS, **environment},
                              options=("-v", f"{medium}:/media/installer.iso:ro", *options))

    def files(self, container):
        return sorted(path.name for path in container.storage.iterdir() if path.name.startswith("windows.qcow2"))

    def test_from_a_blank_volume(self):
        container = self.installing("-v", f"{self.secret}:{SECRET}:ro").start()
        status = container.wait_status("installing", lambda status: status["guest"]["reason"] == "installing")
        self.assertIn(status["state"], ("starting", "running"))
        answers = container.storage / "windows.qcow2.answers.iso"
        self.assertEqual(answers.stat().st_mode & 0o777, 0o400)
        self.assertEqual(answers.stat().st_uid, os.stat(f"/proc/{container.qemu}").st_uid)
        # There it is, as Windows wants it, and nowhere else that somebody looks at.
        hidden = base64.b64encode((PASSWORD + "Password").encode("utf-16-le"))
        self.assertIn(hidden, answers.read_bytes())
        self.no_secret(container, hidden.decode())
        status = container.wait_ready()
        self.assertEqual(status["guest"]["reason"], "")
        # One is removed after the other.
        harness.until("the end of the installation", 30,
                      lambda: not {"windows.qcow2.installing", "windows.qcow2.answers.iso"} & set(self.files(container)))
        self.assertFalse(answers.exists())
        self.assertIn("installer: done", container.serial())
        self.no_secret(container, hidden.decode())
        self.assertEqual(container.stop(), 0, container.logs())

    def no_secret(self, container, hidden):
        commands = ""
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # it has ended in this moment
                commands += pathlib.Path(f"/proc/{entry}/cmdline").read_text(encoding="utf-8", errors="replace")
        for text in (container.logs(), harness.docker("inspect", container.name), container.ctl("status", "--json"), commands,
                     harness.docker("exec", container.name, "sh", "-c", "cat /proc/1/environ /var/log/libvirt/qemu/* /etc/libvirt/qemu/*.xml")):
            self.assertNotIn(PASSWORD, text)
            self.assertNotIn(hidden, text)

    def test_refusals(self):
        self.assert_refused(self.installing(), 78, f"{SECRET} ([guest] password-file) cannot be opened", "mount it")
        self.secret.chmod(0o644)
        self.assert_refused(self.installing("-v", f"{self.secret}:/password:ro", CASEMENT_GUEST_PASSWORD_FILE="/password"),
                            78, "/password ([guest] password-file): everybody may read it")
        container = self.installing("-v", f"{harness.guest_image('mini')}:/media/mini.qcow2:ro", CASEMENT_GUEST_ISO="/media/mini.qcow2")
        self.assert_refused(container, 78, "/media/mini.qcow2 ([guest] iso) is a qcow2 image of a disk")
        self.assertEqual(self.files(container), [])


if __name__ == "__main__":
    unittest.main()
