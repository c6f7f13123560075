"""What cannot work is refused with a message that names it and a remedy, and leaves no trace."""
import os
import signal
import unittest

import world


class RefusalTest(world.WorldTest):
    def refused(self, code, *parts, **options):
        before = sorted(os.listdir(self.world.path("/storage")))
        keeper = self.start(**options)
        self.assertEqual(keeper.wait(), code, keeper.log())
        for part in parts:
            self.assertIn(part, keeper.last_line() if code != 64 else keeper.log())
        self.assertFalse(keeper.qemu)
        self.assertEqual(sorted(os.listdir(self.world.path("/storage"))), before)
        return keeper

    def test_no_disk_and_no_base(self):
        self.refused(78, "-v /path:/storage", "/images/windows.qcow2")

    def test_a_corrupt_disk(self):
        self.world.put_image("button", "/storage/windows.qcow2")
        os.truncate(self.world.path("/storage/windows.qcow2"), 70000)
        self.refused(78, "/storage/windows.qcow2", "truncated")

    def test_an_archive_in_its_place(self):
        self.world.path("/storage/windows.qcow2").write_bytes(b"\x1f\x8b\x08" + bytes(509))
        self.refused(78, "is a gzip archive: unpack it first")

    def test_a_disk_that_qemu_cannot_reach(self):
        self.world.command("mkdir", "-m", "700", "/storage/private")
        self.world.put_image("button", "/storage/private/windows.qcow2")
        self.refused(78, "out of reach for the user libvirt-qemu", "chmod o+x",
                     CASEMENT_GUEST_DISK="/storage/private/windows.qcow2")

    def test_a_base_that_qemu_cannot_read(self):
        self.world.put_base("button")
        os.chmod(self.world.path("/images/windows.qcow2"), 0o600)
        self.refused(78, "cannot be read for the user libvirt-qemu")
        self.world.command("rm", "/images/windows.qcow2")

    def test_no_room_for_an_overlay(self):
        self.world.put_base("button")
        self.refused(78, "mount a volume there", CASEMENT_GUEST_DISK="/storage/none/windows.qcow2")
        self.world.command("rm", "/images/windows.qcow2")

    def test_another_base_below_the_overlay(self):
        """Refused before libvirtd hears of it; a copy of the old one boots, and so does a disk of an older casement."""
        base, record = self.world.path("/images/windows.qcow2"), self.world.path("/storage/windows.qcow2.base")
        self.addCleanup(self.world.command, "rm", "-f", "/images/windows.qcow2")
        self.world.put_base("button")
        keeper = self.start()
        keeper.wait_field("GUEST_STATE", "booting")
        self.assertIn("recorded in /storage/windows.qcow2.base", keeper.log())
        keeper.kill(signal.SIGQUIT)
        self.assertEqual(keeper.wait(), 10, keeper.log())
        self.world.settle()
        before = self.world.command("sha256sum", "/storage/windows.qcow2")

        self.world.command("rm", "/images/windows.qcow2")
        self.world.put_base("mini")
        self.refused(78, "/storage/windows.qcow2 is an overlay on /images/windows.qcow2, which is not the image that it was made on",
                     f"this one has {base.stat().st_size} bytes", "remove /storage/windows.qcow2.base")
        self.assertEqual(self.world.command("sha256sum", "/storage/windows.qcow2"), before)

        self.world.command("rm", "/images/windows.qcow2")
        self.world.put_base("button")
        os.utime(base, (1000000000, 1000000000))
        for part in ("is taken for a copy", "recorded in /storage/windows.qcow2.base"):
            keeper = self.start()
            keeper.wait_field("GUEST_STATE", "booting")
            self.assertIn(part, keeper.log())
            keeper.kill(signal.SIGQUIT)
            self.assertEqual(keeper.wait(), 10, keeper.log())
            self.world.settle()
            self.assertIn(" 1000000000 ", record.read_text(encoding="utf-8"))
            record.unlink()

    def test_no_kvm(self):
        self.refused(69, "--device /dev/kvm", "CASEMENT_GUEST_ACCEL=tcg", CASEMENT_GUEST_ACCEL="auto") \
            if not os.path.exists("/dev/kvm") else self.without_kvm()

    def without_kvm(self):
        self.world.command("mount", "--bind", "/dev/null", "/dev/kvm")
        try:
            self.refused(69, "/dev/kvm is not KVM", "CASEMENT_GUEST_ACCEL=tcg", CASEMENT_GUEST_ACCEL="auto")
        finally:
            self.world.command("umount", "/dev/kvm")

    def test_no_network(self):
        self.world.command("mv", "/run/casement/network.conf", "/run/network.conf")
        try:
            self.refused(69, "casement-netfw up makes it")
        finally:
            self.world.command("mv", "/run/network.conf", "/run/casement/network.conf")

    def test_bad_xml(self):
        cases = (
            ("<domain", "mine.xml:1 ([guest] xml): "),
            ("<domain type='qemu'><memory>1</memory></domain>", "has no <name>"),
            ("<domain type='qemu'><name>x</name><nonsense/></domain>", "/storage/mine.xml ([guest] xml)"),
            ("<domain type='qemu'><name>x</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='toaster'>hvm"
             "</type></os></domain>", "toaster"),
        )
        for xml, message in cases:
            with self.subTest(xml=xml):
                self.world.path("/storage/mine.xml").write_text(xml, encoding="utf-8")
                self.refused(78, message, CASEMENT_GUEST_XML="/storage/mine.xml")

    def test_a_start_that_fails_shows_qemus_words(self):
        self.world.put_image("button", "/storage/windows.qcow2")
        keeper = self.start(CASEMENT_GUEST_MEMORY="100T")
        self.assertEqual(keeper.wait(60), 11, keeper.log())
        self.assertIn("the guest cannot be started: ", keeper.last_line())
        self.assertIn("the end of QEMU's log:", keeper.log())
        self.assertIn("cannot set up guest memory", keeper.log())

    def test_a_disk_that_somebody_else_writes_to(self):
        disk = self.world.path("/storage/windows.qcow2")
        self.world.put_image("button", "/storage/windows.qcow2")
        untouched = os.stat(disk).st_mtime_ns
        holder = self.world.spawn("holder", "qemu-img", "bench", "-q", "-w", "-c", "100000000", "-f", "qcow2",
                                  "/storage/windows.qcow2")
        # Its first write comes after its lock; a qemu-img that asked for the lock would now and then be first to have one.
        self.world.until("its first write", 30, lambda: os.stat(disk).st_mtime_ns != untouched)
        keeper = self.start()
        self.assertEqual(keeper.wait(60), 69, keeper.log())
        holder.kill()
        holder.wait()
        self.assertIn("a QEMU or a qemu-img writes to it", keeper.last_line())

    def test_a_mistake_in_the_configuration(self):
        keeper = self.start(config="[guest]\nmemroy = 4G\n")
        self.assertEqual(keeper.wait(), 78)
        self.assertIn("memroy", keeper.log())

    def test_usage(self):
        for arguments, code in ((("--help",), 0), (("--version",), 0), (("--nonsense",), 64), (("word",), 64)):
            program = self.world.spawn("usage", world.KEEPER, *arguments)
            self.assertEqual(program.wait(), code, arguments)


if __name__ == "__main__":
    unittest.main()
