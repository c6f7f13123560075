"""What the guest and QEMU say is in docker logs."""
import os
import signal
import unittest

import harness


class ConsoleTest(harness.SystemTest):
    def said(self, guest, label):
        mark = f"info casement-guest: {label}: "
        return [line.removeprefix(mark) for line in guest.logs().splitlines() if line.startswith(mark)]

    def events(self, guest):
        mark = "casement-guest-event: "
        return [line.removeprefix(mark) for line in self.said(guest, "serial") if line.startswith(mark)]

    def test_the_guest_and_qemu_in_docker_logs(self):
        guest = self.container(environment={"CASEMENT_LOG_CONSOLE": "all"}).start()
        guest.wait_ready()
        harness.until("the guest's line", 10, lambda: "up 192.168.121.68" in self.events(guest))
        self.assertTrue(self.said(guest, "qemu"), guest.logs())
        # The keeper that takes over says nothing a second time.
        os.kill(guest.process("casement-guest"), signal.SIGKILL)
        guest.wait_status("casement-guest is back", lambda status: status["state"] == "ready" and any(
            service["name"] == "casement-guest" and service["restarts"] for service in status["services"]), 60)
        self.assertEqual(guest.stop(), 0, guest.logs())
        events = self.events(guest)
        self.assertEqual((events.count("booting"), events.count("up 192.168.121.68")), (1, 1), events)
        self.assertIn("power button pressed", events)

    def test_by_default_it_is_qemu(self):
        guest = self.container().start()
        guest.wait_ready()
        self.assertEqual(guest.stop(), 0, guest.logs())
        self.assertIn("power button pressed", guest.events())
        self.assertEqual(self.said(guest, "serial"), [])
        self.assertTrue(self.said(guest, "qemu"), guest.logs())


if __name__ == "__main__":
    unittest.main()
