"""What cannot work is refused: with the code, the thing, the reason and the remedy, and with the disk as it was."""
import hashlib
import os
import pathlib
import unittest

import harness

UNAVAILABLE, CONFIG = 69, 78


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class PreflightTest(harness.SystemTest):
    def test_no_kvm(self):
        guest = self.container(devices=["/dev/net/tun"], environment={"CASEMENT_GUEST_ACCEL": "auto"})
        self.assert_refused(guest, UNAVAILABLE, "/dev/kvm", "--device /dev/kvm")

    def test_no_kvm_is_no_obstacle_to_tcg(self):
        guest = self.container(devices=["/dev/net/tun"]).start()
        guest.wait_ready()

    def test_no_tun(self):
        guest = self.container(devices=["/dev/kvm"])
        self.assert_refused(guest, UNAVAILABLE, "/dev/net/tun", "--device /dev/net/tun")

    def test_no_net_admin(self):
        guest = self.container(capabilities=[])
        self.assert_refused(guest, UNAVAILABLE, "NET_ADMIN", "--cap-add NET_ADMIN")

    def test_everything_that_is_missing_is_named_at_once(self):
        guest = self.container(devices=[], capabilities=[], environment={"CASEMENT_GUEST_ACCEL": "auto"})
        log = self.assert_refused(guest, UNAVAILABLE, "--device /dev/kvm")
        self.assertIn("--device /dev/net/tun", log)
        self.assertIn("--cap-add NET_ADMIN", log)

    def test_check_starts_nothing(self):
        guest = self.container(command=["--check"])
        before = checksum(guest.disk)
        guest.start()
        self.assertEqual(guest.wait_exit(30), 0, guest.logs())
        self.assertEqual(checksum(guest.disk), before)
        self.assertIsNone(guest.file("/run/libvirt/libvirt-sock"))

    def test_check_refuses_what_a_start_refuses(self):
        self.assert_refused(self.container(command=["--check"], devices=["/dev/kvm"]), UNAVAILABLE, "--device /dev/net/tun")
        self.assert_refused(self.container(command=["--check"], environment={"CASEMENT_STOP_TIMEOUT": "soon"}), CONFIG,
                            "CASEMENT_STOP_TIMEOUT")

    def test_usage(self):
        self.assert_refused(self.container(command=["--no-such-option"]), 64, "no-such-option")


class ConfigurationTest(harness.SystemTest):
    def test_every_mistake_is_named_in_one_run(self):
        guest = self.container(environment={"CASEMENT_STOP_TIMEOUT": "soon", "CASEMENT_GUEST_NO_SUCH_KEY": "1"})
        settings = guest.storage / "settings.conf"
        settings.write_text("[guest]\ntpm = perhaps\ncolour = blue\n\n[service dnsmasq]\nafter = nobody\n", encoding="ascii")
        harness.docker("cp", str(settings), f"{guest.name}:/etc/casement/casement.conf")
        before = checksum(guest.disk)
        log = self.assert_refused(guest, CONFIG, "casement.conf:2", "tpm", "perhaps")
        for words in (("casement.conf:3", "colour"), ("CASEMENT_STOP_TIMEOUT", "soon"), ("CASEMENT_GUEST_NO_SUCH_KEY",)):
            self.assertTrue(any(all(word in line for word in words) for line in log.splitlines()), f"{words}:\n{log}")
        self.assertEqual(checksum(guest.disk), before)

    def test_a_cycle(self):
        guest = self.container(environment={"CASEMENT_SERVICE_VIRTLOGD_AFTER": "libvirtd"})
        self.assert_refused(guest, CONFIG, "virtlogd", "libvirtd", "wait for each other")

    def test_a_port_forwarded_twice(self):
        guest = self.container(environment={"CASEMENT_NETWORK_FORWARDS": "3389 13389:3389/tcp 3389/tcp"})
        before = checksum(guest.disk)
        self.assert_refused(guest, CONFIG, "CASEMENT_NETWORK_FORWARDS", "3389/tcp")
        self.assertEqual(checksum(guest.disk), before)

    def test_a_subnet_that_is_taken(self):
        network = harness.Network(subnet="192.168.209.0/24")
        self.addCleanup(network.remove)
        guest = self.container(network=network, environment={"CASEMENT_NETWORK_SUBNET": "192.168.209.0/24"})
        before = checksum(guest.disk)
        self.assert_refused(guest, CONFIG, "192.168.209.0/24", timeout=60)
        self.assertEqual(checksum(guest.disk), before)

    def test_a_subnet_that_is_taken_is_avoided_when_none_was_asked_for(self):
        network = harness.Network(subnet="192.168.121.0/24")
        self.addCleanup(network.remove)
        guest = self.container(network=network).start()
        address = guest.wait_ready()["guest"]["address"]
        self.assertFalse(address.startswith("192.168.121."), address)
        with guest.rdp() as connection:
            harness.echo(connection)


class ServiceTest(harness.SystemTest):
    """An image author's drop-in."""

    def test_a_sixth_service_and_one_key_of_a_built_in_one(self):
        guest = self.container()
        dropin = guest.storage / "author.conf"
        dropin.write_text("[service sixth]\nexec = /bin/sleep infinity\n\n[service virtlogd]\nnofile = 4096\n", encoding="ascii")
        harness.docker("cp", str(dropin), f"{guest.name}:/etc/casement/conf.d/author.conf")
        guest.start()
        services = {service["name"]: service["state"] for service in guest.wait_ready()["services"]}
        self.assertEqual(services["sixth"], "ready")
        limits = pathlib.Path(f"/proc/{guest.process('virtlogd')}/limits").read_text(encoding="ascii")
        self.assertRegex(limits, r"Max open files\s+4096\s+4096")
        self.assertEqual(guest.stop(), 0, guest.logs())


class DiskTest(harness.SystemTest):
    def test_no_disk(self):
        guest = self.container(disk=None)
        self.assert_refused(guest, CONFIG, "/storage/windows.qcow2", "/images/windows.qcow2", timeout=60)
        self.assertEqual(os.listdir(guest.storage), [])

    def test_a_disk_that_is_no_qcow2(self):
        guest = self.container(disk=None)
        guest.disk.write_bytes(b"QFI\xfb" + os.urandom(200000))
        before = checksum(guest.disk)
        self.assert_refused(guest, CONFIG, "/storage/windows.qcow2", timeout=60)
        self.assertEqual(checksum(guest.disk), before)

    def test_a_qcow2_with_broken_tables(self):
        guest = self.container()
        with open(guest.disk, "r+b") as disk:
            disk.seek(0x28)  # l1_table_offset
            disk.write((1 << 50).to_bytes(8, "big"))
        before = checksum(guest.disk)
        self.assert_refused(guest, CONFIG, "/storage/windows.qcow2", timeout=60)
        self.assertEqual(checksum(guest.disk), before)

    def test_a_base_that_qemus_user_cannot_read(self):
        base = harness.guest_image("mini")
        guest = self.container(disk=None)
        private = guest.storage / "base.qcow2"
        private.write_bytes(base.read_bytes())
        private.chmod(0o600)
        os.chown(private, 4711, 4711)
        harness.docker("rm", guest.name)
        guest = self.container(disk=None, options=("-v", f"{private}:/images/windows.qcow2:ro"))
        self.assert_refused(guest, CONFIG, "/images/windows.qcow2", timeout=60)
        self.assertEqual((private.stat().st_uid, private.stat().st_mode & 0o777), (4711, 0o600))

    def test_a_disk_on_a_volume_that_cannot_be_written(self):
        guest = self.container(disk=None)
        guest.put_disk(harness.guest_image("mini"))
        read_only = self.container(disk=None, options=("-v", f"{guest.disk}:/storage/windows.qcow2:ro"))
        before = checksum(guest.disk)
        self.assert_refused(read_only, CONFIG, "/storage/windows.qcow2", timeout=60)
        self.assertEqual(checksum(guest.disk), before)

    def test_an_unknown_machine_type(self):
        guest = self.container(environment={"CASEMENT_GUEST_XML": "/storage/domain.xml"})
        (guest.storage / "domain.xml").write_text("""<domain type='qemu'>
            <name>windows</name><memory>262144</memory><vcpu>1</vcpu>
            <os><type arch='x86_64' machine='perpetuum-mobile'>hvm</type></os><devices>
            <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/storage/windows.qcow2'/>
            <target dev='vda' bus='virtio'/></disk></devices></domain>""", encoding="ascii")
        before = checksum(guest.disk)
        self.assert_refused(guest, CONFIG, "/storage/domain.xml", "perpetuum-mobile", timeout=60)
        self.assertEqual(checksum(guest.disk), before)


if __name__ == "__main__":
    unittest.main()
