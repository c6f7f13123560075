"""A guest's life, from its first start to its end, by itself or by request."""
import os
import signal
import unittest

import world


class LifeTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_base("mini")

    def test_boots_answers_and_stops(self):
        base = self.world.path("/images/windows.qcow2")
        before = os.stat(base)
        keeper = self.start()
        keeper.wait_answering()
        fields = keeper.fields()
        self.assertEqual(fields["READY"], "1")
        self.assertEqual(fields["GUEST_STATE"], "running")
        self.assertEqual(fields["GUEST_ADDRESS"], world.ADDRESS)
        self.assertEqual(fields["BOOTS"], "1")
        self.assertGreater(int(fields["RDP_LATENCY_US"]), 0)
        times = [keeper.when("GUEST_STATE", state) for state in ("starting", "booting", "running")]
        self.assertEqual(times, sorted(times))
        command = self.world.path(f"/proc/{keeper.qemu}/cmdline").read_bytes()
        self.assertIn(b"guest=windows", command)
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(), 0, keeper.log())
        self.assertIn("power button pressed", self.world.serial())
        self.assertIn("the guest shut down", keeper.last_line())
        self.assertFalse(self.world.alive(keeper.qemu))
        self.assertEqual(keeper.fields()["STOP_PHASE"], "button")
        self.assertEqual(keeper.fields()["GUEST_STATE"], "off")
        # The base is other containers' too: neither its owner nor a single byte or time of it has changed.
        after = os.stat(base)
        for name in ("st_uid", "st_gid", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino"):
            self.assertEqual(getattr(after, name), getattr(before, name), name)

    def test_is_the_same_machine_the_next_time(self):
        uuids = []
        for _ in range(2):
            keeper = self.start()
            keeper.wait_field("GUEST_STATE", "booting")
            uuids.append(self.world.virsh("domuuid", "windows").strip())
            keeper.kill(signal.SIGQUIT)
            self.assertEqual(keeper.wait(), 10, keeper.log())
            self.world.settle()
        self.assertEqual(uuids[0], uuids[1])
        # Another volume is another machine, though libvirt remembers the old one.
        self.world.command("rm", "/storage/windows.qcow2", "/storage/windows.qcow2.uuid")
        keeper = self.start()
        keeper.wait_field("GUEST_STATE", "booting")
        self.assertNotEqual(self.world.virsh("domuuid", "windows").strip(), uuids[0])

    def test_power_off_ends_it_with_0(self):
        keeper = self.start()
        keeper.wait_answering()
        self.world.control("poweroff")
        self.assertEqual(keeper.wait(), 0, keeper.log())

    def test_a_reboot_does_not(self):
        keeper = self.start()
        keeper.wait_answering()
        qemu = keeper.qemu
        self.world.control("reboot")
        keeper.wait_field("BOOTS", "2")
        keeper.wait_answering()
        self.assertEqual(keeper.qemu, qemu)
        self.assertIsNone(keeper.status())
        self.stop_cleanly(keeper)

    def test_a_panic_ends_it_with_11(self):
        keeper = self.start()
        keeper.wait_answering()
        self.world.control("crash")
        self.assertEqual(keeper.wait(), 11, keeper.log())
        self.assertIn("the guest crashed", keeper.last_line())
        self.assertEqual(keeper.fields()["GUEST_STATE"], "crashed")

    def test_rdp_that_stops_answering_is_reported(self):
        keeper = self.start(CASEMENT_HEALTH_RDP_INTERVAL="200ms", CASEMENT_HEALTH_RDP_FAILURES="3")
        keeper.wait_answering()
        self.world.control("rdp off")
        keeper.wait_field("RDP", "closed", 20)
        self.assertEqual(keeper.fields()["GUEST_STATE"], "running")
        self.world.control("rdp on")
        keeper.wait_answering()
        self.stop_cleanly(keeper)

    def test_feeds_the_watchdog_from_its_loop(self):
        keeper = self.start(WATCHDOG_USEC="400000")

        def fed():
            return sum(message.get("notify", "") == "WATCHDOG=1" for message in keeper.mine())

        self.world.until("five signs of life", 10, lambda: fed() >= 5)
        # Stopped, it says nothing: that is what the watchdog is for.
        keeper.kill(signal.SIGSTOP)
        before = fed()
        with self.assertRaises(AssertionError):
            self.world.until("a sign of life", 1.5, lambda: fed() > before + 1)
        keeper.kill(signal.SIGCONT)
        self.world.until("signs of life again", 5, lambda: fed() > before + 1)

    def test_the_console_is_in_the_log(self):
        keeper = self.start(CASEMENT_LOG_CONSOLE="all")
        keeper.wait_answering()
        keeper.wait_line("<6>serial: casement-guest-event: up")
        self.world.until("QEMU's own line", 10, lambda: any(line.startswith("<6>qemu: ") for line in keeper.lines()))
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

    def test_the_console_is_silent_if_that_is_wanted(self):
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

    def test_the_agent_channel_is_there(self):
        keeper = self.start()
        keeper.wait_field("GUEST_STATE", "booting")
        self.assertIn("org.qemu.guest_agent.0", self.world.virsh("dumpxml", "windows"))


if __name__ == "__main__":
    unittest.main()
