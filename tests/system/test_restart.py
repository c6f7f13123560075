"""docker restart, and docker kill with docker start, again and again: the same machine each time, and nothing in its way.

CASEMENT_RESTART_ROUNDS says how many; with 20 it takes several minutes.
"""
import json
import os
import pathlib
import re
import unittest

import harness

ROUNDS = int(os.environ.get("CASEMENT_RESTART_ROUNDS", "4"))
ENVIRONMENT = {"CASEMENT_GUEST_FIRMWARE": "uefi", "CASEMENT_GUEST_TPM": "yes"}


class RestartTest(harness.SystemTest):
    def setUp(self):
        self.base = harness.guest_image("mini")
        self.mount = ("-v", f"{self.base}:/images/windows.qcow2:ro")
        self.guest = self.container(disk=None, environment=ENVIRONMENT, options=self.mount).start()

    def restart(self):
        harness.docker("restart", "-t", "90", self.guest.name, timeout=150)

    def kill(self):
        harness.docker("kill", self.guest.name)
        self.guest.wait_exit(30)
        self.check_disk()
        self.guest.start()

    def wait_booting(self):
        self.guest.wait_status("a guest that boots", lambda status: status["guest"]["state"] in ("booting", "running"))

    def wait_starting(self):
        self.guest.wait_status("a casement-guest", lambda status: any(
            service["name"] == "casement-guest" and service["pid"] for service in status["services"]))

    def check_disk(self):
        """The overlay has no damage. After a power cut it may have clusters that nobody uses."""
        output = harness.run("docker", "run", "--rm", "--label", f"{harness.LABEL}={os.getpid()}", "--network", "none",
                             *self.mount, "-v", f"{self.guest.storage}:/storage", "--entrypoint", "qemu-img", harness.IMAGE,
                             "check", "--output=json", "/storage/windows.qcow2", check=False)
        result = json.loads(output[output.index("{"):])
        self.assertEqual((result.get("corruptions", 0), result["check-errors"]), (0, 0), output)

    def machine(self):
        """What Windows would know the machine by, as QEMU was told it, and the files that stand for it."""
        arguments = pathlib.Path(f"/proc/{self.guest.qemu}/cmdline").read_bytes().decode().split("\0")
        words = " ".join(arguments)
        storage = self.guest.storage
        nvram = storage / "windows_VARS.fd"
        return {
            "uuid": arguments[arguments.index("-uuid") + 1],
            "mac": re.findall(r'"mac":"([^"]*)"', words),
            "uuid file": (storage / "windows.qcow2.uuid").read_text(encoding="ascii"),
            "disk": (self.guest.disk.stat().st_ino, re.findall(r'"filename":"(/storage/[^"]*)"', words)),
            "nvram": (nvram.stat().st_ino, nvram.stat().st_size),
            "tpm": (storage / "windows.tpm/tpm2").stat().st_ino,
            "files": sorted(path.name for path in storage.iterdir()),
        }

    def check_tpm(self):
        """It was made once, and its endorsement key is in the state that is there now."""
        log = self.guest.file("/var/log/swtpm/libvirt/qemu/windows-swtpm.log") or ""
        self.assertEqual(log.count("Starting vTPM manufacturing"), 1, log)
        key = re.search(r"--type ek --ek ([0-9a-f]+)", log)[1]
        self.assertIn(bytes.fromhex(key), (self.guest.storage / "windows.tpm/tpm2/tpm2-00.permall").read_bytes())

    def firmware_boots(self):
        """The firmware counts its boots in a variable, each time in a new place; what the template has is 0."""
        return (self.guest.storage / "windows_VARS.fd").read_bytes().count("MTC\0".encode("utf-16le"))

    def test_again_and_again(self):
        guest = self.guest
        guest.wait_ready()
        first = self.machine()
        boots = self.firmware_boots()
        self.assertGreater(boots, 0)
        self.check_tpm()
        # By round: what it waits for, and what then happens.
        rounds = (("ready", guest.wait_ready, self.restart), ("booting", self.wait_booting, self.kill),
                  ("ready", guest.wait_ready, self.kill), ("starting", self.wait_starting, self.restart),
                  ("starting", self.wait_starting, self.kill), ("booting", self.wait_booting, self.restart))
        for number in range(ROUNDS):
            name, wait, act = rounds[number % len(rounds)]
            with self.subTest(round=number, when=name, what=act.__name__):
                wait()
                act()
                self.wait_booting()
                self.assertEqual(self.machine(), first)
                self.assertGreaterEqual(self.firmware_boots(), boots, "the firmware's variables are lost")
                boots = self.firmware_boots()
        status = guest.wait_ready()
        self.assertEqual(self.machine(), first)
        self.check_tpm()
        self.assertGreater(self.firmware_boots(), 1)
        self.assertEqual({service["name"]: service["restarts"] for service in status["services"] if service["restarts"]}, {})
        self.assertEqual(guest.stop(90), 0, guest.logs())
        self.check_disk()
        self.assertEqual([line for line in guest.logs().splitlines() if line.startswith("error ")], [])
        self.assertNotIn("was destroyed", guest.logs())


class ClaimTest(harness.SystemTest):
    """Two containers on one volume."""

    def test_the_second_container_is_refused(self):
        first = self.container().start()
        first.wait_ready()
        identifier = harness.docker("inspect", "-f", "{{.Config.Hostname}}", first.name)
        qemu, owner = first.qemu, os.stat(first.disk).st_uid
        second = self.container(disk=None, storage=first.storage)
        self.assert_refused(second, 69, "/storage/windows.qcow2 ([guest] disk) is in use by another container", identifier,
                            "give each container a volume of its own")
        # The first one has not noticed.
        self.assertEqual((first.qemu, os.stat(first.disk).st_uid), (qemu, owner))
        with first.rdp() as connection:
            harness.echo(connection)
        self.assertEqual(first.status()["state"], "ready")
        self.assertEqual(first.stop(), 0, first.logs())
        self.assertIn("No errors", harness.run("qemu-img", "check", str(first.disk)))
        # Now it is free.
        second.start()
        second.wait_ready()
        self.assert_refused(first, 69, "is in use by another container")
        # And after a power cut, too.
        harness.docker("kill", second.name)
        second.wait_exit(30)
        first.start()
        first.wait_ready()
        self.assertEqual(first.stop(), 0, first.logs())
        self.assertIn("No errors", harness.run("qemu-img", "check", str(first.disk)))


if __name__ == "__main__":
    unittest.main()
