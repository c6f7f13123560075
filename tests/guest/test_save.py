"""A guest that is saved at the deadline and goes on at the next start, and everything that must not make it go on."""
import os
import signal
import subprocess
import time
import unittest

import world

SAVE = {"CASEMENT_STOP_TIMEOUT": "200ms", "CASEMENT_STOP_ON_DEADLINE": "save", "CASEMENT_STOP_SAVE_TIMEOUT": "60s"}
IMAGE = "/storage/windows.qcow2.state"
MANIFEST = IMAGE + ".manifest"
SAVED = "the guest did not stop by the deadline and was saved; the next start resumes it"
COLD = "the guest's saved state is not resumed: "


class SaveTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_base("mini")

    def deaf(self, **env):
        """A guest that runs and does not hear the button."""
        keeper = self.start(**{**SAVE, **env})
        keeper.wait_answering()
        self.world.control("hang")
        return keeper

    def save(self, **env):
        """Run one and save it."""
        keeper = self.deaf(**env)
        start = time.monotonic()
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(), 0, keeper.log())
        print(f"SIGTERM, 200 ms, saved: {time.monotonic() - start:.2f} s, {self.size(IMAGE) >> 20} MiB")
        self.assertIn(SAVED, keeper.last_line())
        self.world.settle()
        return keeper

    def size(self, path):
        return self.world.path(path).stat().st_size

    def files(self):
        return sorted(path.name for path in self.world.path("/storage").iterdir())

    def nothing_is_left(self):
        self.assertEqual([name for name in self.files() if ".state" in name], [])

    def booted(self, keeper):
        """Is this the first boot of a guest, and not one that went on?"""
        keeper.wait_answering()
        return "is resumed from its saved state" not in keeper.log() and self.world.serial().count("booting") > 1

    def check_cold(self, reason, **env):
        """The next start boots, once, with one warning."""
        keeper = self.start(**{**SAVE, **env})
        self.assertTrue(self.booted(keeper), keeper.log())
        warnings = [line for line in keeper.lines() if line.startswith("<4>")]
        self.assertEqual(len(warnings), 1, keeper.log())
        self.assertIn(COLD + reason, warnings[0])
        self.assertTrue(warnings[0].endswith("; it boots from its disk"))
        self.nothing_is_left()
        self.world.command("qemu-img", "check", "-U", "/storage/windows.qcow2")
        self.stop_cleanly(keeper)

    def test_goes_on_where_it_was(self):
        keeper = self.deaf()
        address = (world.ADDRESS, 7)
        code = (f"import socket, sys\ns = socket.create_connection({address}, 10)\n"
                "for line in sys.stdin:\n s.sendall(line.encode()); print(s.recv(99).decode().strip(), flush=True)")
        echo = subprocess.Popen(["nsenter", "-t", str(self.world.inner), "-m", "-p", "-n", "/usr/bin/python3", "-c", code],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (echo.kill(), echo.wait(), echo.stdin.close(), echo.stdout.close()))

        def ask(word):
            echo.stdin.write(word + "\n")
            echo.stdin.flush()
            self.assertEqual(echo.stdout.readline().strip(), word)

        ask("before")
        base = os.stat(self.world.path("/images/windows.qcow2"))
        before = self.world.path("/images/windows.qcow2").stat()
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(), 0, keeper.log())
        self.assertIn(SAVED, keeper.last_line())
        self.assertEqual(keeper.fields()["STOP_PHASE"], "save")
        self.assertEqual(keeper.fields()["GUEST_STATE"], "off")
        self.assertEqual([line for line in keeper.lines() if line.startswith("<4>")], [])
        self.world.settle()
        # Only root may look into the guest's memory.
        for path in (IMAGE, MANIFEST):
            status = self.world.path(path).stat()
            self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o777), (0, 0, 0o600), path)
        start = time.monotonic()
        second = self.start(**SAVE)
        second.wait_answering()
        print(f"start -> RDP answers, resumed: {time.monotonic() - start:.2f} s")
        self.assertIn("is resumed from its saved state", second.log())
        self.assertEqual([line for line in second.lines() if line.startswith("<4>")], [], second.log())
        self.assertIsNone(second.when("GUEST_STATE", "paused"))
        self.assertEqual(self.world.serial().count("booting"), 1)
        ask("after")
        self.nothing_is_left()
        after = os.stat(self.world.path("/images/windows.qcow2"))
        self.assertEqual((base.st_uid, base.st_gid, before.st_ctime_ns), (after.st_uid, after.st_gid, after.st_ctime_ns))
        # It is still deaf, so it is saved once more; and again it is one that went on. While its agent is waited for, whom
        # casement asks to set the clock, libvirtd can do nothing else.
        second.wait_line("setting the guest's clock failed")
        second.kill(signal.SIGTERM)
        self.assertEqual(second.wait(), 0, second.log())
        self.world.settle()
        third = self.start(**SAVE)
        third.wait_answering()
        ask("again")
        self.assertEqual(self.world.serial().count("booting"), 1)
        third.wait_line("setting the guest's clock failed")
        # The second signal of this kind is too many.
        third.kill(signal.SIGINT)
        third.wait_field("STOP_PHASE", "save")
        third.kill(signal.SIGINT)
        third.wait()

    def test_a_guest_that_hears_shuts_down(self):
        keeper = self.start(**{**SAVE, "CASEMENT_STOP_TIMEOUT": "30s"})
        keeper.wait_answering()
        self.stop_cleanly(keeper)
        self.nothing_is_left()

    def test_other_virtual_hardware(self):
        for env in ({"CASEMENT_GUEST_FIRMWARE": "uefi", "CASEMENT_GUEST_TPM": "yes"}, {"CASEMENT_GUEST_PROFILE": "windows"}):
            with self.subTest(env=env):
                self.world.put_image("deaf", "/images/windows.qcow2")
                keeper = self.start(**{**SAVE, **env})
                keeper.wait_field("READY", "1")
                keeper.kill(signal.SIGTERM)
                self.assertEqual(keeper.wait(), 0, keeper.log())
                self.world.settle()
                second = self.start(**{**SAVE, **env})
                second.wait_field("READY", "1")
                self.assertIn("is resumed from its saved state", second.log())
                second.kill(signal.SIGTERM)
                self.assertEqual(second.wait(), 0, second.log())
                self.world.settle()
                self.world.command("sh", "-c", "rm -rf /storage/*")

    def test_a_disk_that_has_moved_on(self):
        self.save()
        # As if somebody had booted it elsewhere.
        self.world.command("qemu-io", "-c", "write 0 512", "/storage/windows.qcow2")
        keeper = self.start(**SAVE)
        keeper.wait_field("GUEST_STATE", "booting")
        self.assertIn(COLD + "the disk was changed, replaced or moved since the guest was saved; it boots", keeper.log())
        self.nothing_is_left()

    def test_a_state_that_is_not_as_it_was_written(self):
        self.save()
        os.truncate(self.world.path(IMAGE), self.size(IMAGE) // 2)
        self.check_cold("its file is not as it was written")

    def test_a_state_that_cannot_be_loaded(self):
        for damage in ("head", "middle", "end"):
            with self.subTest(damage=damage):
                self.save()
                path = self.world.path(IMAGE)
                status = path.stat()
                with open(path, "r+b") as file:
                    if damage != "end":
                        file.seek(0 if damage == "head" else 64 << 10)
                        file.write(b"\xff" * 65536)
                    else:
                        file.truncate(status.st_size // 2)
                        file.truncate(status.st_size)
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
                self.check_cold("")
                self.world.command("sh", "-c", "rm -rf /storage/* /var/log/casement/*")

    def test_another_machine(self):
        self.save()
        self.check_cold("the guest's configuration is another one since it was saved", CASEMENT_GUEST_MEMORY="300M")

    def test_a_manifest_that_is_none(self):
        self.save()
        self.world.path(MANIFEST).write_text("", encoding="ascii")
        self.check_cold("its manifest was written by another casement, or is damaged")

    def test_what_is_left_of_an_attempt(self):
        self.save()
        self.world.path(MANIFEST).unlink()
        self.world.path(IMAGE + ".new").write_text("half", encoding="ascii")
        keeper = self.start(**SAVE)
        self.assertTrue(self.booted(keeper), keeper.log())
        self.nothing_is_left()
        self.stop_cleanly(keeper)

    def test_a_full_disk(self):
        self.world.command("mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "none", "/storage")
        try:
            keeper = self.deaf()
            keeper.kill(signal.SIGTERM)
            self.assertEqual(keeper.wait(), 10, keeper.log())
            self.assertIn("the guest is not saved: ", keeper.log())
            self.assertIn("No space left", keeper.log())
            self.assertIn("destroyed", keeper.last_line())
            self.assertEqual(keeper.fields()["STOP_PHASE"], "destroy-graceful")
            self.world.settle()
            self.nothing_is_left()
            self.world.command("qemu-img", "check", "/storage/windows.qcow2")
        finally:
            self.world.command("umount", "/storage")

    def test_too_little_time(self):
        keeper = self.deaf(CASEMENT_STOP_SAVE_TIMEOUT="1ms")
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(), 10, keeper.log())
        self.assertIn("the guest is not saved: it takes too long", keeper.log())
        self.assertFalse(self.world.alive(keeper.qemu))
        self.world.settle()
        keeper = self.start(**SAVE)
        self.assertTrue(self.booted(keeper), keeper.log())
        self.nothing_is_left()
        self.stop_cleanly(keeper)

    def saving(self):
        """One that is being saved."""
        keeper = self.deaf()
        keeper.kill(signal.SIGTERM)
        keeper.wait_line("saving it to")
        # What was said is not asked of libvirt yet.
        self.world.until("the save has begun", 30, lambda: any(".state" in name for name in self.files()))
        return keeper

    def test_impatience_in_the_middle(self):
        for number in (signal.SIGINT, signal.SIGQUIT):
            with self.subTest(number=number):
                keeper = self.deaf()
                self.world.libvirtd.kill(signal.SIGSTOP)
                keeper.kill(signal.SIGINT)
                # The press hangs in libvirtd.
                keeper.wait_line("power button")
                self.world.libvirtd.kill(signal.SIGCONT)
                keeper.wait_line("saving it to")
                self.world.libvirtd.kill(signal.SIGSTOP)
                keeper.kill(number)
                code = keeper.wait()
                self.world.libvirtd.kill(signal.SIGCONT)
                self.assertIn(code, (0, 10), keeper.log())
                if code == 10:
                    self.assertIn("the guest is not saved: it takes too long", keeper.log())
                self.world.settle()
                self.world.command("sh", "-c", "rm -rf /storage/*")

    def test_a_killed_keeper_leaves_nothing_to_go_on_from(self):
        keeper = self.saving()
        keeper.kill(signal.SIGKILL)
        keeper.wait()
        self.world.settle()
        # The next one is told of the end that its predecessor did not see; but for one moment nothing can be gone on from.
        pending = self.world.path(MANIFEST).exists()
        second = self.start(**SAVE)
        self.assertEqual(second.wait(), 0 if pending else 10, second.log())
        self.world.settle()
        third = self.start(**SAVE)
        third.wait_answering()
        self.assertEqual(self.world.serial().count("booting"), 1 if pending else 2, third.log())
        self.nothing_is_left()
        third.kill(signal.SIGQUIT)
        third.kill(signal.SIGQUIT)
        third.wait()

    def test_a_killed_libvirtd_leaves_nothing_to_go_on_from(self):
        keeper = self.saving()
        self.world.libvirtd.kill()
        self.world.libvirtd.wait()
        code = keeper.wait()
        self.world.start_libvirtd()
        self.assertIn(code, (0, 10), keeper.log())
        self.world.settle()
        second = self.start(**SAVE)
        second.wait_answering()
        self.assertEqual(self.world.serial().count("booting"), 1 if code == 0 else 2)
        self.nothing_is_left()
        second.kill(signal.SIGQUIT)
        second.kill(signal.SIGQUIT)
        second.wait()

    def test_whoever_dies_while_it_is_loaded(self):
        """However far it got: the guest goes on, or it boots, and its state is used up. CASEMENT_LONG: all combinations."""
        victims = ("keeper", "libvirtd")
        for number, delay in enumerate((0.05, 0.2, 0.3, 0.4, 0.5, 0.7)):
            for victim in victims if "CASEMENT_LONG" in os.environ else victims[number % 2:number % 2 + 1]:
                with self.subTest(delay=delay, victim=victim):
                    self.save()
                    keeper = self.start(**SAVE)
                    keeper.wait_line("resuming the guest from its saved state")
                    time.sleep(delay)
                    if victim == "keeper":
                        keeper.kill(signal.SIGKILL)
                        keeper.wait()
                        keeper = self.start(**SAVE)
                    else:
                        self.world.libvirtd.kill()
                        self.world.libvirtd.wait()
                        self.world.start_libvirtd()
                    keeper.wait_answering()
                    self.assertFalse(self.world.path(MANIFEST).exists())
                    keeper.kill(signal.SIGQUIT)
                    keeper.kill(signal.SIGQUIT)
                    self.assertIn(keeper.wait(), (0, 10))
                    self.world.settle()
                    self.world.command("sh", "-c", "rm -rf /storage/*; rm -f /run/casement/guest.boots")


if __name__ == "__main__":
    unittest.main()
