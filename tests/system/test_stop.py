"""How a container ends: the power button, the deadline, the guest's own will; and how it starts again."""
import os
import re
import time
import unittest

import harness


class StopTest(harness.SystemTest):
    def test_docker_stop_presses_the_power_button(self):
        guest = self.container().start()
        guest.wait_ready()
        self.assertNotIn("power button pressed", guest.events())
        self.assertEqual(guest.stop(), 0, guest.logs())
        self.assertIn("power button pressed", guest.events())

    def test_a_deaf_guest_is_destroyed_at_the_deadline(self):
        guest = self.container("deaf", environment={"CASEMENT_STOP_TIMEOUT": "5s", "CASEMENT_STOP_RESEND": "1s"}).start()
        guest.wait_status("booting", lambda status: status["guest"]["state"] in ("booting", "running"))
        begin = time.monotonic()
        self.assertEqual(guest.stop(), 10, guest.logs())
        self.assertGreater(time.monotonic() - begin, 5)
        self.assertLess(time.monotonic() - begin, 25)

    def test_a_second_sigint_is_the_deadline(self):
        guest = self.container("deaf").start()
        guest.wait_status("booting", lambda status: status["guest"]["state"] in ("booting", "running"))
        harness.docker("kill", "-s", "INT", guest.name)
        guest.wait_status("stopping", lambda status: status["state"] == "stopping")
        harness.docker("kill", "-s", "INT", guest.name)
        self.assertEqual(guest.wait_exit(30), 10, guest.logs())

    def test_sigterm_right_after_the_start(self):
        guest = self.container("button").start()
        self.assertEqual(guest.stop(60), 0, guest.logs())

    def test_sigterm_while_the_guest_boots(self):
        # The button is pressed again until somebody hears it.
        guest = self.container(environment={"CASEMENT_STOP_RESEND": "1s"}).start()
        guest.wait_status("booting", lambda status: status["guest"]["state"] == "booting")
        self.assertEqual(guest.stop(100), 0, guest.logs())
        self.assertIn("power button pressed", guest.events())

    def test_the_guest_powers_off(self):
        guest = self.container().start()
        guest.wait_ready()
        guest.control("poweroff")
        self.assertEqual(guest.wait_exit(30), 0, guest.logs())
        self.assertNotIn("power button pressed", guest.events())

    def test_the_guest_reboots(self):
        guest = self.container().start()
        guest.wait_ready()
        qemu = guest.qemu
        guest.control("reboot")
        guest.wait_status("a second boot that is ready", lambda status: status["guest"]["boots"] == 2 and
                          status["state"] == "ready")
        self.assertEqual(guest.qemu, qemu)
        with guest.rdp() as connection:
            harness.echo(connection)
        self.assertEqual(guest.events().count("booting"), 2)
        self.assertEqual(guest.stop(), 0, guest.logs())


class StartAgainTest(harness.SystemTest):
    def test_a_deaf_guest_is_saved_and_goes_on(self):
        guest = self.container(environment={"CASEMENT_STOP_TIMEOUT": "2s", "CASEMENT_STOP_ON_DEADLINE": "save"}).start()
        guest.wait_ready()
        guest.control("hang")
        self.assertEqual(guest.stop(), 0, guest.logs())
        self.assertIn("the guest did not stop by the deadline and was saved; the next start resumes it", guest.logs())
        self.assertIn("windows.qcow2.state.manifest", os.listdir(guest.disk.parent))
        # 2 s for the guest, 60 s to save it, and what the rest takes.
        self.assertGreater(int(re.search(r"the guest's end may take (\d+) s", guest.logs())[1]), 2 + 60)
        guest.start()
        guest.wait_ready()
        with guest.rdp() as connection:
            harness.echo(connection)
        self.assertIn("is resumed from its saved state", guest.logs())
        self.assertEqual(guest.events().count("booting"), 1)
        self.assertEqual([name for name in os.listdir(guest.disk.parent) if ".state" in name], [])

    def test_docker_restart(self):
        guest = self.container().start()
        guest.wait_ready()
        harness.docker("restart", "-t", "60", guest.name, timeout=120)
        guest.wait_ready()
        with guest.rdp() as connection:
            harness.echo(connection)
        self.assertEqual(guest.stop(), 0, guest.logs())

    def test_docker_start_after_a_power_cut(self):
        guest = self.container().start()
        guest.wait_ready()
        harness.docker("kill", guest.name)
        self.assertEqual(guest.wait_exit(), 137)
        guest.start()
        guest.wait_ready()
        with guest.rdp() as connection:
            harness.echo(connection)
        self.assertEqual(guest.stop(), 0, guest.logs())


if __name__ == "__main__":
    unittest.main()
