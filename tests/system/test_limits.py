"""The container's limits of memory and processors: the guest fits into them, or is refused before it is made."""
import pathlib
import unittest
import xml.etree.ElementTree

import harness

CONFIG = 78


def limits(memory="1g", *more):
    return ("--memory", memory, "--memory-swap", memory, *more)


class LimitsTest(harness.SystemTest):
    def command_line(self, guest):
        return pathlib.Path(f"/proc/{guest.qemu}/cmdline").read_bytes().decode().split("\0")

    def domain(self, guest):
        return xml.etree.ElementTree.fromstring(guest.file("/etc/libvirt/qemu/windows.xml"))

    def line(self, guest, *words):
        log = guest.logs()
        self.assertTrue(any(all(word in line for word in words) for line in log.splitlines()), f"no line has all of {words}:\n{log}")

    def test_more_than_the_limit(self):
        guest = self.container(disk=None, options=limits(), environment={"CASEMENT_GUEST_MEMORY": "4G"})
        self.assert_refused(guest, CONFIG, "[guest] memory (CASEMENT_GUEST_MEMORY): 4096 MiB are more than the container's memory limit of 1024 MiB",
                            "docker run --memory", "CASEMENT_GUEST_MEMORY=max", timeout=60)
        self.assertEqual(list(guest.storage.iterdir()), [])

    def test_half_of_the_limit(self):
        """And so many processors as there are; all of it fits."""
        guest = self.container(options=limits("1g", "--cpus", "0.5"),
                               environment={"CASEMENT_GUEST_MEMORY": "50%", "CASEMENT_GUEST_CPUS": "max"}).start()
        guest.wait_ready()
        command = self.command_line(guest)
        self.assertIn("size=524288k", command[command.index("-m") + 1])
        self.assertEqual(command[command.index("-smp") + 1].split(",")[0], "1")
        domain = self.domain(guest)
        self.assertEqual((domain.find("memory").text, domain.find("vcpu").text), ("524288", "1"))
        self.assertIn("tb-size=128", command[command.index("-accel") + 1])
        self.line(guest, "info casement-guest: the guest gets 512 MiB of memory: 50% of the container's memory limit of 1024 MiB")
        self.line(guest, "info casement-guest: the guest gets 1 virtual processors")
        self.assertEqual(guest.stop(), 0, guest.logs())

    def test_the_default_is_lowered(self):
        guest = self.container(options=limits("1g", "--cpus", "1"),
                               environment={"CASEMENT_GUEST_MEMORY": None, "CASEMENT_GUEST_CPUS": None}).start()
        guest.wait_ready()
        domain = self.domain(guest)
        # 64 + 256 + 2 * 8 + 1024 / 8 for all else, and page tables
        self.assertEqual((domain.find("memory").text, domain.find("vcpu").text), (str(555 * 1024), "2"))
        self.line(guest, "warning casement-guest: the guest gets 555 MiB of memory instead of the default of 4096 MiB",
                  "the container's memory limit is 1024 MiB")
        self.assertEqual(guest.stop(), 0, guest.logs())


if __name__ == "__main__":
    unittest.main()
