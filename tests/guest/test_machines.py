"""Every virtual machine that can be configured is taken by libvirtd and started by QEMU."""
import os
import signal
import unittest

import world


class MachineTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_image("button", "/images/windows.qcow2")

    def test_every_profile_and_firmware_starts(self):
        for profile in ("windows", "windows-virtio", "linux"):
            for firmware in ("bios", "uefi", "uefi-secure"):
                for tpm in ("no", "yes"):
                    with self.subTest(profile=profile, firmware=firmware, tpm=tpm):
                        keeper = self.start(CASEMENT_GUEST_PROFILE=profile, CASEMENT_GUEST_FIRMWARE=firmware,
                                            CASEMENT_GUEST_TPM=tpm, CASEMENT_GUEST_CPUS="2")
                        keeper.wait_field("READY", "1")
                        self.check_hardware(keeper, profile, firmware, tpm)
                        keeper.kill(signal.SIGQUIT)
                        self.assertEqual(keeper.wait(), 10, keeper.log())
                        self.world.settle()

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
        self.assertIn("button: pressed", self.world.serial())

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
