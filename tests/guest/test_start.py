"""Starts that fail, that do not end, and that libvirtd does not survive."""
import signal
import time
import unittest

import world

# In the place of QEMU: the guest's stops itself before it is one, as often as /run/freeze has files.
FREEZER = """#!/bin/sh
case "$*" in
*guest=windows*)
    for file in /run/freeze/*; do
        if [ -e "$file" ]; then
            rm "$file"
            kill -STOP $$
            break
        fi
    done
    ;;
esac
exec /run/qemu/bin/qemu "$@"
"""


class StartTest(world.WorldTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.put_image("button", "/images/windows.qcow2")
        # QEMU looks for its firmware and its modules beside itself.
        cls.world.command("mkdir", "-p", "/run/qemu/bin", "/run/freeze")
        cls.world.command("ln", "-s", "/usr/share", "/usr/lib", "/run/qemu")
        cls.world.command("cp", "/usr/bin/qemu-system-x86_64", "/run/qemu/bin/qemu")
        cls.world.command("chmod", "777", "/run/freeze")
        cls.world.path("/run/freezer").write_text(FREEZER, encoding="ascii")
        cls.world.command("chmod", "755", "/run/freezer")
        cls.world.command("mount", "--bind", "/run/freezer", "/usr/bin/qemu-system-x86_64")

    # A busy machine may not start any QEMU in that time, but in one of several attempts.
    SHORT = {"CASEMENT_GUEST_START_TIMEOUT": "3s", "CASEMENT_GUEST_START_RETRIES": "5"}

    def freeze(self, times):
        self.world.command("sh", "-c", "rm -f /run/freeze/*")
        for i in range(times):
            self.world.path(f"/run/freeze/{i}").touch()

    def tearDown(self):
        self.freeze(0)
        super().tearDown()

    def frozen(self):
        """The QEMU that stands still."""
        def found():
            processes = self.world.command("ps", "-eo", "pid,stat,args").splitlines()
            return [int(line.split()[0]) for line in processes if "guest=windows" in line and line.split()[1].startswith("T")]

        self.world.until("a QEMU that stands still", 30, found)
        return found()[0]

    def test_one_that_does_not_end_is_ended(self):
        self.freeze(1)
        keeper = self.start(CASEMENT_GUEST_START_TIMEOUT="3s")
        self.assertEqual(keeper.wait(60), 12, keeper.log())
        self.assertIn("QEMU was not up within 3 s and was killed", keeper.last_line())
        self.assertNotIn("guest=windows", self.world.command("ps", "-eo", "args"))

    def test_and_tried_again(self):
        self.freeze(1)
        keeper = self.start(**self.SHORT)
        keeper.wait_field("GUEST_STATE", "booting")
        self.assertEqual(keeper.fields()["BOOTS"], "1")
        self.assertIn("attempt 2 of 6", keeper.log())
        self.stop_cleanly(keeper)

    def test_one_that_is_slow_is_no_failure(self):
        self.freeze(1)
        keeper = self.start(CASEMENT_GUEST_START_TIMEOUT="60s")
        frozen = self.frozen()
        time.sleep(1)
        self.world.kill(frozen, signal.SIGCONT)
        keeper.wait_field("GUEST_STATE", "booting")
        self.stop_cleanly(keeper)

    def test_a_stop_in_the_middle_of_it_is_bounded(self):
        self.freeze(1)
        keeper = self.start(CASEMENT_STOP_TIMEOUT="2s")
        self.frozen()
        start = time.monotonic()
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(60), 10, keeper.log())
        self.assertLess(time.monotonic() - start, 2 + 15, keeper.log())

    def test_one_that_somebody_else_began_is_ended_too(self):
        self.freeze(1)
        keeper = self.start()
        self.frozen()
        keeper.kill(signal.SIGKILL)
        keeper.wait()
        second = self.start(**self.SHORT)
        second.wait_field("GUEST_STATE", "booting")
        self.stop_cleanly(second)

    def test_libvirtd_dies_at_any_moment_of_it(self):
        """The next libvirtd may say that a start is under way, and nothing when that has come to nothing."""
        for delay in (0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4):
            with self.subTest(delay=delay):
                keeper = self.start()
                keeper.wait_line("-> creating", 30)
                time.sleep(delay)
                self.world.libvirtd.kill()
                self.world.libvirtd.wait()
                self.world.start_libvirtd()
                keeper.wait_field("GUEST_STATE", "booting", 60)
                self.stop_cleanly(keeper)
                self.world.settle()


if __name__ == "__main__":
    unittest.main()
