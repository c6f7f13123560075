"""kill -9 of everything beside the guest: the guest does not notice, and the container becomes ready again."""
import os
import signal
import time
import unittest

import harness


class FaultTest(harness.SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = cls.shared()
        cls.guest.wait_ready()

    def survive(self, name):
        """Kill a service; an open connection and QEMU stay, a new process takes its place, and the state is ready again."""
        guest = self.guest
        qemu = guest.qemu
        before = guest.process(name)
        restarts = {service["name"]: service["restarts"] for service in guest.status()["services"]}
        with guest.rdp() as connection:
            harness.echo(connection, b"before")
            os.kill(before, signal.SIGKILL)
            harness.echo(connection, b"right after")

            def recovered(status):
                service = next(service for service in status["services"] if service["name"] == name)
                return service["restarts"] > restarts[name] and service["state"] == "ready" and status["state"] == "ready"

            guest.wait_status(f"{name} is back and the state ready", recovered, 60)
            harness.echo(connection, b"afterwards")
        self.assertNotEqual(guest.process(name), before)
        self.assertEqual(guest.qemu, qemu, "QEMU's process")
        self.assertEqual(guest.status()["guest"]["boots"], 1)
        for service in guest.status()["services"]:
            if service["name"] != name:
                self.assertEqual(service["restarts"], restarts[service["name"]], f"{service['name']} was restarted, too")
        with guest.rdp() as connection:
            harness.echo(connection, b"a new one")


class DaemonFaultTest(FaultTest):
    def test_libvirtd(self):
        self.survive("libvirtd")

    def test_dnsmasq(self):
        self.survive("dnsmasq")

    def test_casement_guest(self):
        self.survive("casement-guest")

    def test_zz_the_guest_still_hears_the_power_button(self):
        # Last by its name: whoever took over must have armed everything again.
        self.assertEqual(self.guest.stop(), 0, self.guest.logs())
        self.assertIn("power button pressed", self.guest.events())


class LogFaultTest(FaultTest):
    """virtlogd takes the other end of the guest's serial port with it: a container of its own, whose log nobody asks for."""

    def test_virtlogd(self):
        self.survive("virtlogd")
        self.assertEqual(self.guest.stop(), 0, self.guest.logs())


class HangTest(harness.SystemTest):
    def test_libvirtd(self):
        """SIGSTOP: found out by keep-alive, ended and started again, and the guest notices nothing."""
        guest = self.container().start()
        # By its number in the container: the new libvirtd may start QEMUs, to ask them what they can do.
        qemu = guest.wait_ready()["guest"]["pid"]
        with guest.rdp() as connection:
            harness.echo(connection, b"before")
            begin = time.monotonic()
            os.kill(guest.process("libvirtd"), signal.SIGSTOP)

            def recovered(status):
                service = next(service for service in status["services"] if service["name"] == "libvirtd")
                return service["restarts"] == 1 and service["state"] == "ready" and status["state"] == "ready"

            guest.wait_status("libvirtd is back", recovered, 90)
            print(f"libvirtd stopped -> ready again: {time.monotonic() - begin:.1f} s")
            harness.echo(connection, b"afterwards")
        self.assertEqual(guest.status()["guest"]["pid"], qemu)
        self.assertRegex(guest.logs(), "libvirtd: it does not answer casement-guest: ending it")
        self.assertEqual(guest.stop(), 0, guest.logs())
        self.assertIn("power button pressed", guest.events())


class PauseTest(harness.SystemTest):
    def test_pause(self):
        """docker pause for longer than a watchdog's patience: after it nobody is accused of having slept."""
        guest = self.container(environment={"CASEMENT_SERVICE_CASEMENT_GUEST_WATCHDOG": "4s"}).start()
        guest.wait_ready()
        qemu = guest.qemu
        harness.docker("pause", guest.name)
        time.sleep(7)
        harness.docker("unpause", guest.name)
        harness.until("PID 1 says so", 20, lambda: "PID 1 did not run for " in guest.logs())
        # Long enough for a watchdog to bite that was not put off.
        time.sleep(4)
        status = guest.wait_ready()
        self.assertEqual({service["name"]: service["restarts"] for service in status["services"] if service["restarts"]}, {})
        self.assertEqual(guest.qemu, qemu)
        self.assertEqual(guest.stop(), 0, guest.logs())


class SecondChanceTest(harness.SystemTest):
    def test_libvirtd_that_failed_for_good(self):
        """The container ends, and yet the guest shuts down by its button: for that libvirtd is started once more."""
        guest = self.container(environment={"CASEMENT_SERVICE_LIBVIRTD_RESTART_LIMIT": "1"}).start()
        guest.wait_ready()
        os.kill(guest.process("libvirtd"), signal.SIGKILL)
        self.assertEqual(guest.wait_exit(60), 12, guest.logs())
        self.assertRegex(guest.logs(), "error casement: libvirtd failed for good: killed by SIGKILL")
        self.assertRegex(guest.logs(), "libvirtd failed for good, but the guest's end needs it: starting it again")
        self.assertRegex(guest.logs(), r"QEMU \(pid \d+\) exited with 0")
        self.assertIn("power button pressed", guest.events())


class AgainTest(harness.SystemTest):
    def test_on_crash_and_on_poweroff(self):
        """The container stays, and the guest is booted again; docker stop ends it as ever."""
        guest = self.container(environment={"CASEMENT_GUEST_ON_CRASH": "restart", "CASEMENT_GUEST_ON_POWEROFF": "restart"}).start()
        for boots in range(1, 5):
            guest.wait_status(f"boot {boots}", lambda status, n=boots: status["state"] == "ready" and status["guest"]["boots"] == n)
            if boots < 3:
                os.kill(guest.qemu, signal.SIGKILL)
            elif boots == 3:
                guest.control("poweroff")
        self.assertEqual(guest.stop(), 0, guest.logs())
        self.assertRegex(guest.logs(), r"warning casement: casement-guest: exited with 11; restart 1 in \d+ ms")
        self.assertRegex(guest.logs(), r"warning casement: casement-guest: exited with 0; restart 3 in \d+ ms")


class GuestFaultTest(harness.SystemTest):
    def test_qemu_killed(self):
        guest = self.container().start()
        guest.wait_ready()
        os.kill(guest.qemu, signal.SIGKILL)
        self.assertEqual(guest.wait_exit(30), 11, guest.logs())
        self.assertRegex(guest.logs(), "SIGKILL|killed by signal 9")

    def test_qemu_killed_while_libvirtd_is_down(self):
        guest = self.container().start()
        guest.wait_ready()
        qemu = guest.qemu
        os.kill(guest.process("libvirtd"), signal.SIGKILL)
        os.kill(qemu, signal.SIGKILL)
        self.assertEqual(guest.wait_exit(60), 11, guest.logs())
        self.assertRegex(guest.logs(), "SIGKILL|killed by signal 9")

    def test_the_guest_crashes(self):
        guest = self.container().start()
        guest.wait_ready()
        guest.control("crash")
        self.assertEqual(guest.wait_exit(60), 11, guest.logs())


if __name__ == "__main__":
    unittest.main()
