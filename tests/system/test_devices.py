"""Devices beside the guest's own disk, and what a container has to have for them, in the real image."""
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree

import unittest

import harness

UNAVAILABLE = 69

CONFIG = """[guest]
xml-patch = /storage/changes
pin = {pin}
[device /storage/data.qcow2]
as = disk
[device /storage/tools.iso]
as = cdrom
"""


class DeviceTest(harness.SystemTest):
    def prepare(self, guest, pin):
        """Files of the volume; the configuration is a file that is mounted."""
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", guest.storage / "data.qcow2", "64M"], check=True, timeout=30)
        (guest.storage / "tools.iso").write_bytes(bytes(0x8001) + b"CD001" + bytes(1 << 20))
        (guest.storage / "changes").write_text("/domain/title = changed\n", encoding="utf-8")
        (guest.storage / "devices.conf").write_text(CONFIG.format(pin=pin), encoding="utf-8")
        for name in ("data.qcow2", "tools.iso"):
            (guest.storage / name).chmod(0o644)

    def affinity(self, pid):
        found = {}
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                status = (task / "status").read_text(encoding="ascii", errors="replace")
            except OSError:  # QEMU has threads that come and go
                continue
            found[re.search(r"^Name:\t(.*)$", status, re.M)[1]] = re.search(r"^Cpus_allowed_list:\t(.*)$", status, re.M)[1]
        return found

    def test_a_guest_with_all_of_them(self):
        first, second = sorted(os.sched_getaffinity(0))[:2]
        guest = self.container(capabilities=("NET_ADMIN", "SYS_NICE"), options=("--entrypoint", "/bin/sh"), command=(
            "-c", "cp /storage/devices.conf /etc/casement/conf.d/ && exec /usr/libexec/casement/casement-first"))
        self.prepare(guest, f"{first},{second}")
        guest.start()
        guest.wait_ready()
        domain = xml.etree.ElementTree.fromstring(guest.file("/etc/libvirt/qemu/windows.xml"))
        disks = [(disk.get("device"), disk.find("target").get("dev"), disk.find("source").get("file")) for disk in domain.iter("disk")]
        self.assertEqual(sorted(disks), [("cdrom", "sda", "/storage/tools.iso"), ("disk", "vda", "/storage/windows.qcow2"),
                                         ("disk", "vdb", "/storage/data.qcow2")])
        self.assertEqual(domain.findtext("title"), "changed")
        threads = self.affinity(guest.qemu)
        self.assertEqual((threads["CPU 0/TCG"], threads["qemu-system-x86"]), (str(first), str(second)))
        shown = xml.etree.ElementTree.fromstring(harness.docker("exec", guest.name, "casement-image", "xml"))
        self.assertEqual(shown.findtext("title"), "changed")
        self.assertEqual(shown.findtext("uuid"), domain.findtext("uuid"))
        self.assertEqual(len(shown.findall("devices/disk")), 3)
        self.assertEqual(guest.stop(), 0, guest.logs())

    def test_what_the_container_lacks(self):
        for lines, words in (("[guest]\npin = 0\n", ("[guest] pin", "--cap-add SYS_NICE")),
                             ("[guest]\nhugepages = yes\n", ("[guest] hugepages", "-v /dev/hugepages:/dev/hugepages")),
                             ("[device dead:beef]\nas = usb\n", ("dead:beef", "is not there"))):
            with self.subTest(lines=lines):
                guest = self.container(options=("--entrypoint", "/bin/sh"), command=(
                    "-c", "cp /storage/devices.conf /etc/casement/conf.d/ && exec /usr/libexec/casement/casement-first"))
                (guest.storage / "devices.conf").write_text(lines, encoding="utf-8")
                self.assert_refused(guest, UNAVAILABLE, *words)


if __name__ == "__main__":
    unittest.main()
