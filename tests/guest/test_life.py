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
        self.world.wait_serial("power button pressed")
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
        keeper.wait_field("RDP", "closed", 60)
        self.assertEqual(keeper.fields()["GUEST_STATE"], "running")
        self.world.control("rdp on")
        keeper.wait_answering()
        self.stop_cleanly(keeper)

    def test_feeds_the_watchdog_from_its_loop(self):
        keeper = self.start(WATCHDOG_USEC="400000")

        def fed():
            return sum(message.get("notify", "") == "WATCHDOG=1" for message in keeper.mine())

        self.world.until("five signs of life", 60, lambda: fed() >= 5)
        # Stopped, it says nothing: that is what the watchdog is for.
        keeper.kill(signal.SIGSTOP)
        status = self.world.path(f"/proc/{keeper.pid}/status")
        self.world.until("it stands still", 60, lambda: "State:\tT" in status.read_text(encoding="ascii", errors="replace"))
        before = fed()
        # Some that it has sent may be on their way; by itself it would send seven.
        with self.assertRaises(AssertionError):
            self.world.until("a sign of life", 1.5, lambda: fed() > before + 3)
        keeper.kill(signal.SIGCONT)
        self.world.until("signs of life again", 60, lambda: fed() > before + 3)

    def test_the_agent_channel_is_there(self):
        keeper = self.start()
        keeper.wait_field("GUEST_STATE", "booting")
        self.assertIn("org.qemu.guest_agent.0", self.world.virsh("dumpxml", "windows"))


if __name__ == "__main__":
    unittest.main()
