"""What the guest and QEMU say is in casement-guest's log, line by line, from virtlogd's files."""
import re
import signal
import unittest

import world


class ConsoleTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_base("mini")

    def test_is_in_the_log(self):
        keeper = self.start(CASEMENT_LOG_CONSOLE="all")
        keeper.wait_answering()
        keeper.wait_line("<6>serial: casement-guest-event: up")
        self.world.until("QEMU's own line", world.BOOT, lambda: any(line.startswith("<6>qemu: ") for line in keeper.lines()))
        # libvirt's command lines are not QEMU's words; and no control character comes through.
        self.assertNotIn("-blockdev", keeper.log())
        self.assertRegex("".join(keeper.lines()), r"\A[^\x00-\x08\x0b-\x1f\x7f]*\Z")
        # A second casement-guest does not say it again, and hears what is new.
        keeper.kill(signal.SIGKILL)
        keeper.wait()
        second = self.start(CASEMENT_LOG_CONSOLE="all")
        second.wait_answering()
        self.stop_cleanly(second)
        said = [line.removeprefix("<6>serial: casement-guest-event: ") for line in second.lines() if line.startswith("<6>serial: c")]
        self.assertNotIn("booting", said)
        self.assertEqual(said[0], "power button pressed", said)

    def test_is_silent_if_that_is_wanted(self):
        keeper = self.start(CASEMENT_LOG_CONSOLE="none")
        keeper.wait_answering()
        self.stop_cleanly(keeper)
        self.assertIn("casement-guest-event: up", self.world.serial())
        self.assertEqual([line for line in keeper.lines() if line.startswith(("<6>serial: ", "<6>qemu: "))], [])

    def test_a_flood_on_the_serial_port_does_not_delay_the_stop(self):
        keeper = self.start(CASEMENT_LOG_CONSOLE="all")
        keeper.wait_answering()
        # 20 MB a second for as long as this takes, rotated as virtlogd does it.
        program = ("import os, time\n"
                   "for i in range(1200):\n"
                   "    with open('serial.log', 'ab') as log:\n"
                   "        log.write(b'a line that the guest writes again and again\\n' * 20000)\n"
                   "    if i % 2:\n"
                   "        os.rename('serial.log', 'serial.log.0')\n"
                   "    time.sleep(0.05)\n")
        flood = self.world.spawn("flood", "sh", "-c", f'cd /var/log/casement && exec /usr/bin/python3 -c "{program}"')
        keeper.wait_line("a line that the guest writes")
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(), 0, keeper.log()[-3000:])
        flood.kill()
        flood.wait()
        pressed = next(m["at"] for m in keeper.mine() if "pressing the guest's power button (1)" in m.get("line", ""))
        asked = next(m["at"] for m in keeper.mine() if m.get("killed") == keeper.pid)
        self.assertLess(pressed - asked, 10)
        self.assertLess(sum(len(line) for line in keeper.lines() if line.startswith("<6>serial: ")), 1 << 20)
        self.assertTrue(any(" bytes were left out" in line for line in keeper.lines()), keeper.log()[-3000:])


class RotationTest(world.WorldTest):
    """virtlogd's own rotation, with files so small that one boot of mini fills several."""

    @classmethod
    def setUpClass(cls):
        cls.world = world.World()
        cls.addClassCleanup(cls.world.close)
        configuration = cls.world.path("/etc/libvirt/virtlogd.conf")
        text = re.sub(r"max_size = \d+", "max_size = 200", configuration.read_text(encoding="utf-8"))
        configuration.write_text(re.sub(r"max_backups = \d+", "max_backups = 12", text), encoding="utf-8")
        cls.world.daemons()

    def test_nothing_is_lost_and_nothing_comes_twice(self):
        self.world.put_base("mini")
        keeper = self.start(CASEMENT_LOG_CONSOLE="serial")
        keeper.wait_answering()
        for boots in range(1, 4):
            self.world.until("it is up", world.BOOT, lambda: keeper.log().count("serial: casement-guest-event: up ") == boots)
            self.world.control("reboot")
        self.world.until("it is up", world.BOOT, lambda: keeper.log().count("serial: casement-guest-event: up ") == 4)
        self.stop_cleanly(keeper)
        files = sorted(self.world.path("/var/log/casement").glob("serial.log*"))
        self.assertGreater(len(files), 3, "virtlogd did not rotate")
        events = [line.partition("casement-guest-event: ")[2] for line in keeper.lines() if line.startswith("<6>serial: casement-guest")]
        up = "up " + world.ADDRESS
        self.assertEqual(events[:-2], ["booting", up, "rebooting"] * 3 + ["booting", up])
        self.assertEqual(events[-2:], ["power button pressed", "powering off"])


if __name__ == "__main__":
    unittest.main()
