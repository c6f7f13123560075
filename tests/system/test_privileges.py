"""What the container is allowed: KVM for a QEMU that is not root, and the smallest set of capabilities."""
import contextlib
import os
import pathlib
import stat
import unittest

import harness


# No <cpu>: a KVM that only emulates refuses the host's own (QEMU 10: "failed to set MSR 0x10a"), and this is about the device.
KVM_DOMAIN = """<domain type='kvm'>
<name>windows</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/storage/windows.qcow2'/>
<target dev='hda' bus='ide'/></disk>
<interface type='bridge'><mac address='52:54:00:ca:5e:01'/><source bridge='virbr1'/><model type='e1000'/></interface>
<memballoon model='none'/>
</devices>
</domain>"""


def compose_capabilities():
    """The cap_add list of docker/compose.yaml: what it says is what is tested."""
    lines = (harness.TOP / "docker/compose.yaml").read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.strip() == "cap_add:")
    names = []
    for line in lines[begin + 1:]:
        if not line.strip().startswith("- "):
            break
        names.append(line.split()[1])
    return names


class PrivilegeTest(harness.SystemTest):
    def test_the_smallest_set_of_capabilities(self):
        capabilities = compose_capabilities()
        self.assertIn("NET_ADMIN", capabilities)
        guest = self.container(capabilities=capabilities, options=("--cap-drop", "ALL", "--security-opt", "no-new-privileges"))
        guest.start()
        guest.wait_ready()
        with guest.rdp() as connection:
            harness.echo(connection)
        self.assertEqual(harness.qemu_uids(guest.qemu)[0], [64055] * 4)
        self.assertEqual(guest.stop(), 0, guest.logs())
        self.assertIn("power button pressed", guest.events())

    def test_a_capability_less_is_refused_by_name(self):
        for missing in compose_capabilities():
            with self.subTest(missing=missing):
                capabilities = [name for name in compose_capabilities() if name != missing]
                guest = self.container(capabilities=capabilities, options=("--cap-drop", "ALL"))
                self.assert_refused(guest, 69, missing, "--cap-add")

    @staticmethod
    def open_files(pid):
        found = set()
        for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed in this moment
                found.add(os.readlink(link))
        return found

    def test_kvm(self):
        """button boots with KVM: QEMU, which is not root, may open the device, and the stop reaches the guest."""
        device = pathlib.Path("/dev/kvm")
        self.assertTrue(stat.S_ISCHR(device.stat().st_mode))
        before = (device.stat().st_uid, device.stat().st_gid, device.stat().st_mode)
        guest = self.container("button", environment={"CASEMENT_GUEST_ACCEL": "auto", "CASEMENT_STOP_RESEND": "1s",
                                                      "CASEMENT_GUEST_XML": "/storage/domain.xml"})
        (guest.storage / "domain.xml").write_text(KVM_DOMAIN, encoding="ascii")
        guest.start()
        guest.wait_status("booting", lambda status: status["guest"]["state"] in ("booting", "running"))
        users, groups = harness.qemu_uids(guest.qemu)
        self.assertEqual(users, [64055] * 4)
        node = pathlib.Path(f"/proc/{guest.pid}/root/dev/kvm").stat()
        self.assertEqual(stat.S_IMODE(node.st_mode), 0o660)
        self.assertIn(node.st_gid, groups)
        self.assertIn("/dev/kvm", self.open_files(guest.qemu))
        # It takes about 10 s to the boot sector where KVM only emulates, so the first presses may be in vain.
        self.assertEqual(guest.stop(100), 0, guest.logs())
        self.assertEqual((device.stat().st_uid, device.stat().st_gid, device.stat().st_mode), before, "the host's node")


if __name__ == "__main__":
    unittest.main()
