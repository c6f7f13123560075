"""What dies or hangs while a guest runs, and that the guest is none the worse for it."""
import signal
import subprocess
import time
import unittest

import world


class FaultTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_base("mini")
        if self.world.libvirtd.status() is not None:
            self.world.start_libvirtd()

    def running(self, **env):
        keeper = self.start(**env)
        keeper.wait_answering()
        return keeper

    def test_a_killed_keeper_is_followed_by_one_that_takes_over(self):
        keeper = self.running()
        qemu = keeper.qemu
        self.world.control("reboot")
        keeper.wait_field("BOOTS", "2")
        keeper.wait_answering()
        keeper.kill(signal.SIGKILL)
        self.assertEqual(keeper.wait(), -signal.SIGKILL)
        second = self.start()
        second.wait_answering()
        fields = second.fields()
        self.assertEqual(second.qemu, qemu)
        self.assertEqual(fields["BOOTS"], "2")
        self.assertEqual(fields["READY"], "1")
        # It does not take back what its predecessor said.
        self.assertIsNone(second.when("GUEST_STATE", "starting"))
        self.assertIn("runs already", second.log())
        self.assertNotIn("defining", second.log())
        self.stop_cleanly(second)
        self.world.wait_serial("power button pressed")
        self.assertEqual(self.world.serial().count("power button pressed"), 1)

    def test_the_guest_outlives_libvirtd(self):
        keeper = self.running()
        qemu = keeper.qemu
        for _ in range(3):
            before = len(keeper.lines())
            killed = time.monotonic()
            self.world.libvirtd.kill()
            self.world.libvirtd.wait()
            keeper.wait_line("libvirtd is away")
            self.world.start_libvirtd()
            self.world.until("a new connection", 60,
                             lambda start=before: any("connected to libvirtd" in line for line in keeper.lines()[start:]))
            print(f"libvirtd killed -> connected again: {time.monotonic() - killed:.2f} s")
        self.assertEqual(keeper.qemu, qemu)
        self.assertEqual(keeper.fields()["GUEST_STATE"], "running")
        self.assertEqual(keeper.fields()["RDP"], "answering")
        # Nothing is missed afterwards.
        self.world.control("poweroff")
        self.assertEqual(keeper.wait(), 0, keeper.log())

    def test_a_libvirtd_that_hangs_is_told_of(self):
        """The first connection never comes about; PID 1 would end it at our word."""
        keeper = self.start()
        keeper.wait_answering()
        keeper.kill(signal.SIGKILL)
        keeper.wait()
        self.world.libvirtd.kill(signal.SIGSTOP)
        second = self.start()
        try:
            second.wait_field("HANGS", "libvirtd", 60)
        finally:
            self.world.libvirtd.kill()
            self.world.libvirtd.wait()
            self.world.start_libvirtd()
        second.wait_answering()
        self.assertEqual(second.qemu, keeper.qemu)
        self.assertIn("libvirtd hangs: it does not accept a connection", second.log())
        self.stop_cleanly(second)

    def test_a_power_off_without_libvirtd_is_found_out(self):
        keeper = self.running()
        self.world.libvirtd.kill()
        self.world.libvirtd.wait()
        self.world.control("poweroff")
        keeper.wait_line("libvirtd is away")
        # QEMU waits for a libvirtd.
        self.assertIsNone(keeper.status())
        self.world.start_libvirtd()
        self.assertEqual(keeper.wait(), 0, keeper.log())

    def test_a_killed_qemu_ends_it_with_11(self):
        for libvirtd_too in (False, True):
            with self.subTest(libvirtd_too=libvirtd_too):
                keeper = self.running()
                if libvirtd_too:
                    self.world.libvirtd.kill()
                    self.world.libvirtd.wait()
                killed = time.monotonic()
                self.world.kill(keeper.qemu)
                self.assertEqual(keeper.wait(), 11, keeper.log())
                print(f"QEMU killed -> exit code 11: {(time.monotonic() - killed) * 1000:.0f} ms")
                self.assertIn(f"QEMU (pid {keeper.qemu}) was killed by SIGKILL", keeper.last_line())
                self.assertEqual(keeper.fields()["GUEST_STATE"], "crashed")
                if not libvirtd_too:
                    self.world.settle()

    def test_a_sigterm_to_qemu_is_no_shutdown_of_the_guest(self):
        keeper = self.running()
        self.world.kill(keeper.qemu, signal.SIGTERM)
        self.assertEqual(keeper.wait(), 11, keeper.log())
        self.assertIn("ended by a signal from outside", keeper.last_line())

    def test_a_paused_guest_is_reported_and_resumed_to_stop(self):
        keeper = self.running()
        self.world.virsh("suspend", "windows")
        keeper.wait_field("GUEST_STATE", "paused")
        self.assertIn("another client", keeper.fields()["GUEST_REASON"])
        self.assertEqual(keeper.fields()["RDP"], "unknown")
        self.world.virsh("resume", "windows")
        keeper.wait_answering()
        self.assertEqual(keeper.fields()["GUEST_REASON"], "")
        self.world.virsh("suspend", "windows")
        keeper.wait_field("GUEST_STATE", "paused")
        self.stop_cleanly(keeper)

    def test_a_destroyed_guest_ends_it_with_10(self):
        keeper = self.running()
        self.world.virsh("destroy", "windows")
        self.assertEqual(keeper.wait(), 10, keeper.log())

    def test_a_connection_through_the_bridge_outlives_keeper_and_libvirtd(self):
        keeper = self.running()
        code = (f"import socket, sys\ns = socket.create_connection(('{world.ADDRESS}', 7), 10)\n"
                "for line in sys.stdin:\n s.sendall(line.encode()); print(s.recv(99).decode().strip(), flush=True)")
        echo = subprocess.Popen(["nsenter", "-t", str(self.world.inner), "-m", "-p", "-n", "/usr/bin/python3", "-c", code],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (echo.kill(), echo.wait(), echo.stdin.close(), echo.stdout.close()))

        def ask(word):
            echo.stdin.write(word + "\n")
            echo.stdin.flush()
            self.assertEqual(echo.stdout.readline().strip(), word)

        ask("before")
        keeper.kill(signal.SIGKILL)
        self.world.libvirtd.kill()
        keeper.wait()
        self.world.libvirtd.wait()
        ask("between")
        self.world.start_libvirtd()
        second = self.start()
        second.wait_answering()
        ask("after")
        self.stop_cleanly(second)


if __name__ == "__main__":
    unittest.main()
