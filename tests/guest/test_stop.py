"""Stopping a guest, at every moment and whatever it does."""
import re
import signal
import socket
import time
import unittest

import world


class StopTest(world.WorldTest):
    def moment(self, keeper, start, limit):
        """Wait for the end, which must come within limit seconds of start."""
        code = keeper.wait(limit + 30)
        self.assertLess(time.monotonic() - start, limit, keeper.log())
        self.assertFalse(keeper.qemu and self.world.alive(keeper.qemu), keeper.log())
        return code

    def test_before_and_in_the_middle_of_a_start(self):
        self.world.put_image("button", "/images/windows.qcow2")
        for delay in (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
            with self.subTest(delay=delay):
                keeper = self.start()
                # Before its first word the dynamic linker is at work, and a signal simply ends it.
                self.world.until("its first word", 60, lambda k=keeper: "STATUS" in k.fields())
                time.sleep(delay)
                keeper.kill(signal.SIGTERM)
                # SeaBIOS ignores the button; the sector behind it does not.
                self.assertEqual(self.moment(keeper, time.monotonic(), 30), 0, keeper.log())
                self.world.settle()

    def test_while_libvirtd_is_not_there(self):
        self.world.put_image("button", "/images/windows.qcow2")
        self.world.libvirtd.kill()
        self.world.libvirtd.wait()
        try:
            keeper = self.start()
            self.world.until("its first word", 60, lambda: "STATUS" in keeper.fields())
            time.sleep(0.3)
            keeper.kill(signal.SIGTERM)
            self.assertEqual(self.moment(keeper, time.monotonic(), 15), 0, keeper.log())
        finally:
            self.world.start_libvirtd()

    def test_the_button_arrives_quickly(self):
        self.world.put_base("mini")
        keeper = self.start()
        keeper.wait_answering()
        # QEMU itself says when it is pressed, and before that, that somebody has come to its screen.
        ear = self.world.spawn("ear", "stdbuf", "-oL", "virsh", "-q", "-c", "qemu:///system", "qemu-monitor-event", "--loop")
        self.world.until("the ear hears", 60, lambda: self.come_to_the_screen() or "VNC_CONNECTED" in ear.log())
        keeper.kill(signal.SIGTERM)
        ear.wait_line("POWERDOWN")
        self.assertEqual(keeper.wait(), 0, keeper.log())

        def when(**wanted):
            return [m["at"] for m in keeper.mine() if all(m.get(key) == value for key, value in wanted.items())][0]

        sent = when(signal=signal.SIGTERM)
        pressed = [m["at"] for m in ear.mine() if "POWERDOWN" in m.get("line", "")][0]
        gone = when(pid=keeper.qemu, exited=None)
        ended = when(pid=keeper.pid, exited="keeper")
        print(f"SIGTERM -> QEMU says POWERDOWN: {(pressed - sent) * 1000:.1f} ms, "
              f"QEMU gone -> keeper gone: {(ended - gone) * 1000:.1f} ms")
        ear.kill()

    def come_to_the_screen(self):
        path, = self.world.path("/var/lib/libvirt/qemu").glob("domain-*/vnc.sock")
        with socket.socket(socket.AF_UNIX) as screen:
            screen.connect(str(path))

    def test_a_deaf_guest_is_destroyed_at_the_deadline(self):
        self.world.put_image("deaf", "/images/windows.qcow2")
        keeper = self.start(CASEMENT_STOP_TIMEOUT="3s", CASEMENT_STOP_RESEND="1s")
        keeper.wait_field("GUEST_STATE", "booting")
        self.world.until("the guest", 60, lambda: self.world.path("/var/log/casement/serial.log").exists())
        start = time.monotonic()
        keeper.kill(signal.SIGTERM)
        self.assertEqual(self.moment(keeper, start, 15), 10, keeper.log())
        self.assertGreater(time.monotonic() - start, 2.9)
        self.assertEqual(len(re.findall("pressing the guest's power button", keeper.log())), 3)
        self.assertEqual(keeper.fields()["STOP_PHASE"], "destroy-graceful")

    def test_the_time_left_comes_with_the_signal(self):
        self.world.put_image("deaf", "/images/windows.qcow2")
        keeper = self.start()
        keeper.wait_field("GUEST_STATE", "booting")
        start = time.monotonic()
        keeper.kill(signal.SIGTERM, 1500)
        keeper.kill(signal.SIGTERM, 60000)
        self.assertEqual(self.moment(keeper, start, 12), 10, keeper.log())

    def test_impatience(self):
        self.world.put_image("deaf", "/images/windows.qcow2")
        for number in (signal.SIGINT, signal.SIGQUIT):
            with self.subTest(number=number):
                keeper = self.start()
                keeper.wait_field("GUEST_STATE", "booting")
                keeper.kill(signal.SIGINT)
                keeper.wait_field("STOP_PHASE", "button")
                start = time.monotonic()
                keeper.kill(number)
                self.assertEqual(self.moment(keeper, start, 12), 10, keeper.log())
                self.world.settle()

    def test_with_libvirtd_hanging_or_gone_the_deadline_holds(self):
        self.world.put_image("deaf", "/images/windows.qcow2")
        for number in (signal.SIGSTOP, signal.SIGKILL):
            with self.subTest(number=number):
                keeper = self.start(CASEMENT_STOP_TIMEOUT="2s")
                keeper.wait_field("GUEST_STATE", "booting")
                self.world.libvirtd.kill(number)
                start = time.monotonic()
                keeper.kill(signal.SIGTERM)
                self.assertEqual(self.moment(keeper, start, 2 + 15), 10, keeper.log())
                self.world.libvirtd.kill(signal.SIGKILL)
                self.world.libvirtd.wait()
                self.world.start_libvirtd()
                self.world.settle()

    def test_libvirtd_comes_back_in_the_middle_of_a_stop(self):
        self.world.put_base("mini")
        keeper = self.start()
        keeper.wait_answering()
        self.world.libvirtd.kill()
        self.world.libvirtd.wait()
        keeper.wait_line("libvirtd is away")
        keeper.kill(signal.SIGTERM)
        keeper.wait_line("stopping the guest")
        self.world.start_libvirtd()
        self.assertEqual(keeper.wait(), 0, keeper.log())
        self.world.wait_serial("power button pressed")

    def test_a_keeper_that_is_restarted_in_the_middle_of_a_stop(self):
        self.world.put_base("mini")
        keeper = self.start()
        keeper.wait_answering()
        qemu = keeper.qemu
        keeper.kill(signal.SIGKILL)
        keeper.wait()
        second = self.start()
        # As PID 1 does: with its first word comes the stop, and the time that is left.
        self.world.until("its first word", 60, lambda: "STATUS" in second.fields())
        second.kill(signal.SIGTERM, 20000)
        self.assertEqual(second.wait(), 0, second.log())
        self.assertFalse(self.world.alive(qemu))
        self.world.wait_serial("power button pressed")


if __name__ == "__main__":
    unittest.main()
