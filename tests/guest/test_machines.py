"""Every virtual machine that can be configured is taken by libvirtd and started by QEMU."""
import os
import signal
import unittest

import world


# What a guest says once it is up: that it is, and that nothing runs there which is not signed.
UP = {"bios": "button: up", "uefi": "signed: up", "uefi-secure": "signed: up, secure boot"}


class MachineTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_image("button", "/images/windows.qcow2")
        self.world.put_image("signed", "/images/signed.qcow2")

    def test_every_profile_firmware_and_tpm_boots(self):
        """Each of them from its disk, as far as a guest that says so and ends: by itself, or by its button."""
        for profile in ("windows", "windows-virtio", "linux"):
            for firmware in ("bios", "uefi", "uefi-secure"):
                for tpm in ("no", "yes"):
                    with self.subTest(profile=profile, firmware=firmware, tpm=tpm):
                        self.world.command("sh", "-c", "rm -rf /storage/* /var/log/casement/*")
                        base = "/images/windows.qcow2" if firmware == "bios" else "/images/signed.qcow2"
                        keeper = self.start(CASEMENT_GUEST_PROFILE=profile, CASEMENT_GUEST_FIRMWARE=firmware,
                                            CASEMENT_GUEST_TPM=tpm, CASEMENT_GUEST_CPUS="1", CASEMENT_GUEST_BASE=base)
                        keeper.wait_field("READY", "1")
                        self.check_hardware(keeper, profile, firmware, tpm)
                        self.check_boot(keeper, firmware)
                        self.world.settle()

    def check_boot(self, keeper, firmware):
        if firmware == "bios":
            self.world.until("its line", 60, lambda: UP[firmware] in self.world.serial() or keeper.status() is not None)
            keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(120), 0, keeper.log())
        self.world.wait_serial(UP[firmware])
        self.assertEqual("secure boot" in self.world.serial(), firmware == "uefi-secure")

    def check_hardware(self, keeper, profile, firmware, tpm):
        command = self.world.path(f"/proc/{keeper.qemu}/cmdline").read_bytes().decode()
        self.assertIn("e1000e" if profile == "windows" else "virtio-net", command)
        self.assertIn("ide-hd" if profile == "windows" else "virtio-blk", command)
        self.assertIn("base=localtime" if profile.startswith("windows") else "base=utc", command)
        self.assertEqual("OVMF" in command, firmware != "bios")
        self.assertEqual("tpm-crb" in command, tpm == "yes")
        # QEMU is not root.
        status = self.world.path(f"/proc/{keeper.qemu}/status").read_text(encoding="ascii", errors="replace")
        uid = [line.split()[1] for line in status.splitlines() if line.startswith("Uid:")][0]
        self.assertNotEqual(uid, "0")

    def test_nvram_and_tpm_stay_on_the_volume(self):
        kept = []
        for _ in range(2):
            keeper = self.start(CASEMENT_GUEST_FIRMWARE="uefi", CASEMENT_GUEST_TPM="yes")
            keeper.wait_field("READY", "1")
            nvram = self.world.path("/storage/windows_VARS.fd")
            tpm = self.world.path("/storage/windows.tpm/tpm2")
            self.assertTrue(nvram.exists())
            self.assertTrue(list(tpm.iterdir()))
            kept.append((os.stat(nvram).st_ino, os.stat(tpm).st_ino))
            keeper.kill(signal.SIGQUIT)
            keeper.wait()
            self.world.settle()
            self.assertTrue(nvram.exists())
            self.assertTrue(tpm.exists())
        self.assertEqual(kept[0], kept[1])

    def test_a_guest_without_drivers_hears_the_button(self):
        keeper = self.start(CASEMENT_GUEST_PROFILE="windows")
        self.world.until("its line", 240, lambda: "button: up" in self.world.serial() or keeper.status() is not None)
        self.stop_cleanly(keeper)
        self.world.wait_serial("button: pressed")

    @unittest.skipUnless(os.path.exists("/dev/kvm"), "there is no /dev/kvm")
    def test_kvm(self):
        # It may only emulate and take its time, 10 s or so to the boot sector.
        keeper = self.start(CASEMENT_GUEST_ACCEL="kvm", CASEMENT_GUEST_PROFILE="windows")
        keeper.wait_field("READY", "1")
        command = self.world.path(f"/proc/{keeper.qemu}/cmdline").read_bytes().decode()
        self.assertIn("-accel\0kvm", command)
        self.world.until("its line", 240, lambda: "button: up" in self.world.serial() or keeper.status() is not None)
        self.stop_cleanly(keeper)

    def test_an_xml_of_ones_own(self):
        keeper = self.start()
        keeper.wait_field("READY", "1")
        xml = self.world.virsh("dumpxml", "--inactive", "windows")
        keeper.kill(signal.SIGQUIT)
        keeper.wait()
        self.world.settle()
        without = "\n".join(line for line in xml.splitlines() if "<uuid>" not in line).replace(">windows<", ">mine<")
        self.world.path("/storage/mine.xml").write_text(without, encoding="utf-8")
        uuids = []
        for _ in range(2):
            keeper = self.start(CASEMENT_GUEST_XML="/storage/mine.xml")
            keeper.wait_field("READY", "1")
            uuids.append(self.world.virsh("domuuid", "mine").strip())
            keeper.kill(signal.SIGQUIT)
            self.assertEqual(keeper.wait(), 10, keeper.log())
            self.world.virsh("desc", "mine", "--config", "over")
        # The same machine each time, though the file does not say which.
        self.assertEqual(uuids[0], uuids[1])


if __name__ == "__main__":
    unittest.main()
