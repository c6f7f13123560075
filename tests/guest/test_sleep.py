"""A guest that puts itself to sleep: what is said of it, and that a stop wakes it first."""
import signal
import unittest

import world

# None of our profiles has S3, because Windows in a container had better not sleep; an XML of somebody's own may.
NO_S3, S3 = "<suspend-to-mem enabled='no'/>", "<suspend-to-mem enabled='yes'/>"


class SleepTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_image("sleeper", "/images/windows.qcow2")
        keeper = self.start()
        keeper.wait_field("READY", "1")
        xml = self.world.virsh("dumpxml", "--inactive", "windows")
        keeper.kill(signal.SIGQUIT)
        self.assertEqual(keeper.wait(), 10, keeper.log())
        self.world.settle()
        self.world.command("sh", "-c", "rm -f /var/log/casement/*")
        self.assertIn(NO_S3, xml)
        self.world.path("/storage/mine.xml").write_text(xml.replace(NO_S3, S3), encoding="utf-8")

    def asleep(self):
        keeper = self.start(CASEMENT_GUEST_XML="/storage/mine.xml", CASEMENT_STOP_RESEND="1s")
        keeper.wait_field("GUEST_REASON", "asleep")
        self.assertEqual(keeper.fields()["GUEST_STATE"], "paused", keeper.log())
        self.assertEqual(self.world.virsh("domstate", "windows").strip(), "pmsuspended")
        return keeper

    def assert_woken(self, keeper):
        self.assertEqual(keeper.fields()["STOP_PHASE"], "button", keeper.log())
        self.world.wait_serial("sleeper: pressed")
        said = [line.strip() for line in self.world.serial().splitlines() if line.startswith("sleeper: ")]
        self.assertEqual(said, ["sleeper: up", "sleeper: awake", "sleeper: pressed"], keeper.log())

    def test_a_stop_wakes_it_and_presses_the_button(self):
        keeper = self.asleep()
        self.stop_cleanly(keeper)
        self.assert_woken(keeper)

    def test_a_keeper_that_finds_it_asleep_knows(self):
        keeper = self.asleep()
        keeper.kill(signal.SIGKILL)
        keeper.wait()
        second = self.start(CASEMENT_GUEST_XML="/storage/mine.xml", CASEMENT_STOP_RESEND="1s")
        second.wait_field("GUEST_REASON", "asleep")
        self.assertEqual(second.qemu, keeper.qemu)
        self.stop_cleanly(second)
        self.assert_woken(second)

    def test_somebody_else_wakes_it(self):
        keeper = self.asleep()
        self.world.virsh("dompmwakeup", "windows")
        keeper.wait_field("GUEST_STATE", "booting")
        self.assertEqual(keeper.fields()["GUEST_REASON"], "", keeper.log())
        self.world.until("its line", 60, lambda: "sleeper: awake" in self.world.serial())
        self.stop_cleanly(keeper)
        self.assert_woken(keeper)


if __name__ == "__main__":
    unittest.main()
