"""Devices beside the guest's own disk, huge pages, pinning, changes to the XML, and a look at it: with the real libvirtd."""
import os
import re
import signal
import unittest

import world

IMAGE_PROGRAM = world.BUILD / "image/casement-image"


class DeviceTest(world.WorldTest):
    def put_disk(self, path, size="64M", mode=0o644):
        self.world.command("qemu-img", "create", "-q", "-f", "qcow2", path, size)
        os.chmod(self.world.path(path), mode)

    def put_cd(self, path):
        self.world.path(path).write_bytes(bytes(0x8001) + b"CD001" + bytes(1 << 20))
        self.addCleanup(self.world.command, "rm", "-f", path)

    def put_patch(self, text):
        self.world.path("/storage/patch").write_text(text, encoding="utf-8")

    def targets(self):
        """Of the running guest: bus and path of each disk, by its name."""
        xml = self.world.virsh("dumpxml", "windows")
        return {target: (bus, re.search(r"<source file='([^']*)'", disk)[1]) for disk in re.findall(r"<disk .*?</disk>", xml, re.S)
                for target, bus in re.findall(r"<target dev='(\w+)' bus='(\w+)'", disk)}

    def mark(self, path):
        status = os.stat(self.world.path(path))
        return status.st_uid, status.st_gid, status.st_mode, status.st_ctime_ns

    def refused(self, code, *parts, **options):
        keeper = self.start(**options)
        self.assertEqual(keeper.wait(), code, keeper.log())
        for part in parts:
            self.assertIn(part, keeper.last_line())
        self.assertFalse(keeper.qemu)

    DRIVES = ("[device /storage/data.qcow2]\nas = disk\n[device /images/tools.iso]\nas = cdrom\n"
              "[device /images/common.qcow2]\nas = disk\nread-only = yes\n")

    def put_drives(self):
        self.put_disk("/storage/data.qcow2")
        self.put_cd("/images/tools.iso")
        self.put_disk("/images/common.qcow2", "32M")
        self.addCleanup(self.world.command, "rm", "-f", "/images/common.qcow2")

    def test_disks_and_a_cd_with_virtio(self):
        """The guest's kernel reads them; what is only read stays its owner's."""
        self.world.put_image("mini", "/storage/windows.qcow2")
        self.put_drives()
        before = [self.mark(path) for path in ("/images/tools.iso", "/images/common.qcow2")]
        keeper = self.start(config=self.DRIVES)
        keeper.wait_answering()
        self.assertEqual(self.targets(), {"vda": ("virtio", "/storage/windows.qcow2"), "vdb": ("virtio", "/storage/data.qcow2"),
                                          "sda": ("sata", "/images/tools.iso"), "vdc": ("virtio", "/images/common.qcow2")})
        for name in ("vdb", "vdc"):
            requests = int(re.search(r"rd_req (\d+)", self.world.virsh("domblkstat", "windows", name))[1])
            self.assertGreater(requests, 0, f"the guest's kernel looks for partitions on {name}")
        self.assertEqual(before, [self.mark(path) for path in ("/images/tools.iso", "/images/common.qcow2")])
        self.assertNotEqual(self.mark("/storage/data.qcow2")[0], 0, "it is QEMU's user's while it runs")
        self.assertTrue(self.world.path("/storage/data.qcow2.lock").exists())
        self.assertFalse(self.world.path("/images/common.qcow2.lock").exists())
        self.stop_cleanly(keeper)

    def test_disks_and_a_cd_without_drivers(self):
        self.world.put_image("button", "/storage/windows.qcow2")
        self.put_drives()
        keeper = self.start(config=self.DRIVES, CASEMENT_GUEST_PROFILE="windows")
        keeper.wait_field("READY", "1")
        self.assertEqual(self.targets(), {"sda": ("sata", "/storage/windows.qcow2"), "sdb": ("sata", "/storage/data.qcow2"),
                                          "sdc": ("sata", "/images/tools.iso"), "sdd": ("usb", "/images/common.qcow2")})
        self.world.until("its line", 240, lambda: "button: up" in self.world.serial() or keeper.status() is not None)
        self.stop_cleanly(keeper)

    def test_a_disk_that_another_container_has(self):
        self.world.put_image("button", "/storage/windows.qcow2")
        self.put_disk("/storage/data.qcow2")
        config = "[device /storage/data.qcow2]\nas = disk\n"
        keeper = self.start(config=config)
        keeper.wait_field("READY", "1")
        self.world.put_image("button", "/storage/other.qcow2")
        self.refused(69, "the disk /storage/data.qcow2 ([device]) is in use by another container", config=config,
                     CASEMENT_GUEST_DISK="/storage/other.qcow2", CASEMENT_GUEST_NAME="other")
        self.assertIsNone(keeper.status())

    def test_a_saved_guest_goes_with_all_its_disks(self):
        self.world.put_image("deaf", "/storage/windows.qcow2")
        self.put_disk("/storage/data.qcow2")
        options = {"config": "[device /storage/data.qcow2]\nas = disk\n", "CASEMENT_STOP_ON_DEADLINE": "save",
                   "CASEMENT_STOP_TIMEOUT": "1s"}
        for change in (False, True):
            keeper = self.start(**options)
            keeper.wait_field("READY", "1")
            keeper.kill(signal.SIGTERM)
            keeper.wait()
            self.assertIn("the guest is saved", keeper.log())
            self.world.settle()
            if change:
                os.utime(self.world.path("/storage/data.qcow2"), (1000000000, 1000000000))
            keeper = self.start(**options)
            keeper.wait_field("READY", "1")
            self.assertEqual("the disk was changed, replaced or moved since the guest was saved" in keeper.log(), change,
                             keeper.log())
            keeper.kill(signal.SIGQUIT)
            keeper.wait()
            self.world.settle()

    def test_what_is_not_there(self):
        self.world.put_image("button", "/storage/windows.qcow2")
        os.link(self.world.path("/storage/windows.qcow2"), self.world.path("/storage/again.qcow2"))
        for code, part, config in (
                (78, "qemu-img create -f qcow2 /storage/data.qcow2", "[device /storage/data.qcow2]\nas = disk\n"),
                (78, "cannot be in the guest twice", "[device /storage/again.qcow2]\nas = disk\n"),
                (78, "neither an ISO 9660 nor a UDF", "[device /storage/again.qcow2]\nas = cdrom\n"),
                (69, "the USB device dead:beef ([device]) is not there", "[device dead:beef]\nas = usb\n"),
                (69, "the PCI device ffff:1f:1f.7 ([device]) is not there", "[device ffff:1f:1f.7]\nas = pci\n"),
                (78, "the container may not use the processors 1000", "[guest]\npin = 0,1000\n"),
                (69, "[guest] hugepages: ", "[guest]\nhugepages = 1G\n")):
            with self.subTest(config=config):
                self.refused(code, part, config=config)

    def test_pinning(self):
        self.world.put_image("button", "/storage/windows.qcow2")
        processors = sorted(os.sched_getaffinity(0))
        if len(processors) < 2:
            self.skipTest("one processor")
        keeper = self.start(config=f"[guest]\npin = {processors[0]},{processors[1]}\n", CASEMENT_GUEST_CPUS="1")
        keeper.wait_field("READY", "1")
        found = {}
        for task in self.world.path(f"/proc/{keeper.qemu}/task").iterdir():
            try:
                status = (task / "status").read_text(encoding="ascii", errors="replace")
            except (FileNotFoundError, ProcessLookupError):  # QEMU has threads that come and go
                continue
            found[re.search(r"^Name:\t(.*)$", status, re.M)[1]] = re.search(r"^Cpus_allowed_list:\t(.*)$", status, re.M)[1]
        self.assertEqual(found["CPU 0/TCG"], str(processors[0]))
        self.assertEqual(found["qemu-system-x86"], str(processors[1]))

    def test_changes_to_the_xml(self):
        """The example of the documentation, and what is refused."""
        self.world.put_image("button", "/storage/windows.qcow2")
        page = (world.TOP / "docs/configuration.md").read_text(encoding="utf-8")
        self.put_patch(re.search(r"### Changing the XML\n.*?```\n(.*?)```", page, re.S)[1])
        keeper = self.start(CASEMENT_GUEST_XML_PATCH="/storage/patch")
        keeper.wait_field("READY", "1")
        command = self.world.path(f"/proc/{keeper.qemu}/cmdline").read_bytes().decode()
        self.assertIn("i6300esb", command)
        self.assertIn('"driver":"e1000"', command)
        xml = self.world.virsh("dumpxml", "windows")
        self.assertIn("<title>Accounting</title>", xml)
        self.assertIn("<serial>4711</serial>", xml)
        self.assertNotIn("tablet", xml)
        keeper.kill(signal.SIGQUIT)
        keeper.wait()
        self.world.settle()
        for patch, part in (("/domain/none[1] = 2\n", "/storage/patch ([guest] xml-patch), is refused: line 1: "),
                            ("/domain/devices/video/model/@type = toaster\n", "is refused: XML document failed to validate")):
            with self.subTest(patch=patch):
                self.put_patch(patch)
                self.refused(78, part, CASEMENT_GUEST_XML_PATCH="/storage/patch")

    def show(self, *argv, config="", **env):
        self.world.path("/run/casement/test.conf").write_text(config, encoding="utf-8")
        program = self.world.spawn("show", *argv, **{**world.MINI, **env})
        code = program.wait()
        xml = [line for line in program.lines() if line.startswith((" ", "<domain", "</domain"))]
        return code, "\n".join(xml), [line for line in program.lines() if line not in xml]

    def test_a_look_at_it(self):
        """It is what libvirtd is given; nothing is made; without libvirtd, network and disk it says what it assumes."""
        guest = (world.KEEPER, "--xml", "--config", "/run/casement/test.conf")
        self.world.put_base("button")
        self.addCleanup(self.world.command, "rm", "-f", "/images/windows.qcow2")
        code, xml, said = self.show(*guest)
        self.assertEqual(code, 0, said)
        self.assertIn("it would become an overlay on /images/windows.qcow2", "\n".join(said))
        self.assertIn("the guest has no UUID yet", "\n".join(said))
        self.assertNotIn("<uuid>", xml)
        self.assertEqual(os.listdir(self.world.path("/storage")), [])

        keeper = self.start()
        keeper.wait_field("READY", "1")
        keeper.kill(signal.SIGQUIT)
        keeper.wait()
        self.world.settle()
        code, xml, said = self.show(*guest)
        self.assertEqual((code, said), (0, []))
        # libvirt puts controllers of its own now here, now there; settle() leaves a description.
        defined = sorted(self.world.virsh("dumpxml", "--inactive", "windows").replace("  <description>over</description>\n", "").splitlines())
        self.world.path("/storage/shown.xml").write_text(xml, encoding="utf-8")
        self.world.virsh("define", "--validate", "/storage/shown.xml")
        self.assertEqual(sorted(self.world.virsh("dumpxml", "--inactive", "windows").splitlines()), defined)

        # By the name that people use.
        self.world.command("mount", "-t", "tmpfs", "none", "/usr/libexec")
        try:
            self.world.command("mkdir", "/usr/libexec/casement")
            self.assertEqual(self.show(IMAGE_PROGRAM, "--config", "/run/casement/test.conf", "xml")[0], 69)
            self.world.command("ln", "-s", world.KEEPER, "/usr/libexec/casement/casement-guest")
            self.assertEqual(self.show(IMAGE_PROGRAM, "--config", "/run/casement/test.conf", "xml"), (0, xml, []))
        finally:
            self.world.command("umount", "/usr/libexec")

        self.world.command("mv", "/run/casement/network.conf", "/run/network.conf")
        try:
            code, xml, said = self.show(*guest, config="[network]\nbridge = br7\n")
        finally:
            self.world.command("mv", "/run/network.conf", "/run/casement/network.conf")
        self.assertEqual(code, 0, said)
        self.assertIn("the bridge br7 is assumed", "\n".join(said))
        self.assertIn('<source bridge="br7"/>', xml)

        code, xml, said = self.show(*guest, config="[guest]\ndisk = /storage/none\nbase = /images/none\n")
        self.assertEqual((code, xml), (78, ""))
        self.assertIn("there is no disk for the guest", "\n".join(said))


class WithoutLibvirtdTest(unittest.TestCase):
    def test_enlightenments_are_assumed(self):
        one = world.World()
        self.addCleanup(one.close)
        one.put_base("button")
        one.path("/run/casement/test.conf").write_text("", encoding="utf-8")
        program = one.spawn("show", world.KEEPER, "--xml", "--config", "/run/casement/test.conf",
                            **{**world.MINI, "CASEMENT_GUEST_ACCEL": "kvm", "CASEMENT_GUEST_PROFILE": "windows"})
        self.assertEqual(program.wait(), 0, program.log())
        self.assertIn("no libvirtd says what this host can do", program.log())
        for name in ("relaxed", "vapic", "spinlocks", "stimer", "ipi"):
            self.assertIn(f'<{name} state="on"', program.log())


if __name__ == "__main__":
    unittest.main()
