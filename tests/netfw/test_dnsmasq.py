"""The real dnsmasq with the configuration that `up` writes: the guest's lease, its DNS, its IPv6, and nobody else's."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import unittest

import lab
from lab import BRIDGE4, CONTAINER, GUEST, GUEST4, GUEST_MAC, OUTSIDE, OUTSIDE4

CLIENT = """#!/bin/sh
[ "$1" = bound ] && env > "$LEASE"
exit 0
"""

# A question for the address of example.test, and the answer 192.0.2.7.
QUESTION = struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0) + b"\x07example\x04test\x00\x00\x01\x00\x01"
ANSWER_RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton("192.0.2.7")


class Dnsmasq(lab.Lab):
    """A guest without any address yet."""

    config = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net.ip(CONTAINER, "link", "set", "eth0", "mtu", "1432")
        cls.up(cls.config)
        cls.plug(address=None)
        cls.net.exec(GUEST, "sysctl", "-qw", "net.ipv6.conf.g0.accept_ra=1")
        cls.start()

    @classmethod
    def start(cls):
        """As PID 1 starts it, with the capabilities that Docker gives and its own resolv.conf."""
        directory = pathlib.Path(cls.run_directory)
        directory.chmod(0o755)
        (directory / "resolv.conf").write_text(f"nameserver {OUTSIDE4}\n")
        script = (f"mount --bind {cls.run_directory} /run && mount --bind /run/resolv.conf /etc/resolv.conf && "
                  "exec setpriv --inh-caps=-all --bounding-set=-all,+net_admin,+net_raw,+net_bind_service,+setuid,"
                  "+setgid,+chown,+dac_override dnsmasq --keep-in-foreground --conf-file=/run/casement/dnsmasq.conf")
        log = (directory / "dnsmasq.log").open("w")
        cls.addClassCleanup(log.close)
        cls.dnsmasq = subprocess.Popen(
            ["nsenter", f"--net={cls.net.path(CONTAINER)}", "unshare", "--mount", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        cls.addClassCleanup(cls.stop)
        lab.until("dnsmasq serves", lambda: "started" in cls.log())

    @classmethod
    def stop(cls):
        cls.dnsmasq.terminate()
        cls.dnsmasq.wait(lab.SOON)

    @classmethod
    def log(cls):
        text = pathlib.Path(cls.run_directory, "dnsmasq.log").read_text()
        if cls.dnsmasq.poll() is not None:
            raise AssertionError(f"dnsmasq is gone\n{text}")
        return text

    def lease(self, mac=GUEST_MAC, tries=20):
        """Ask for a lease with busybox's client; what it was told, {} if nothing."""
        directory = pathlib.Path(self.run_directory)
        lease, script = directory / "lease", directory / "client"
        script.write_text(CLIENT)
        script.chmod(0o755)
        lease.unlink(missing_ok=True)
        self.net.ip(GUEST, "link", "set", "g0", "address", mac)
        self.net.exec(GUEST, "busybox", "udhcpc", "-i", "g0", "-n", "-q", "-f", "-t", str(tries), "-T", "1",
                      "-O", "mtu", "-s", str(script), check=False, env={**os.environ, "LEASE": str(lease)})
        return dict(re.findall(r"^(\w+)=(.*)$", lease.read_text(), re.MULTILINE)) if lease.exists() else {}


class Service(Dnsmasq):
    def test_lease(self):
        lease = self.lease()
        self.assertEqual((lease["ip"], lease["mask"], lease["router"], lease["dns"], lease["serverid"], lease["mtu"]),
                         (GUEST4, "24", BRIDGE4, BRIDGE4, BRIDGE4, "1432"))
        self.assertEqual(lease["lease"], "4294967295")
        self.assertIn(f"{GUEST_MAC} {GUEST4}", self.file("dnsmasq.leases").read_text())

    def test_nobody_else(self):
        self.assertEqual(self.lease("02:00:00:00:00:55", tries=2), {})
        self.assertEqual(self.lease()["ip"], GUEST4)

    def test_dns(self):
        """A question to the bridge is asked outside, as resolv.conf says."""
        with self.net.socket(OUTSIDE, OUTSIDE4, socket.SOCK_DGRAM) as upstream, \
             self.net.socket(GUEST, BRIDGE4, socket.SOCK_DGRAM) as client:
            upstream.bind((OUTSIDE4, 53))
            self.net.ip(GUEST, "addr", "replace", f"{GUEST4}/24", "dev", "g0")
            self.addCleanup(self.net.ip, GUEST, "addr", "flush", "dev", "g0", "scope", "global")
            client.connect((BRIDGE4, 53))
            client.send(QUESTION)
            question, peer = upstream.recvfrom(1000)
            self.assertEqual(question[12:12 + 18], QUESTION[12:])
            # The same question with one answer; what dnsmasq added to it is left out.
            upstream.sendto(question[:2] + struct.pack(">5H", 0x8180, 1, 1, 0, 0) + question[12:30] + ANSWER_RECORD,
                            peer)
            answer = client.recv(1000)
        self.assertEqual(answer[:2], QUESTION[:2])
        self.assertIn(socket.inet_aton("192.0.2.7"), answer)

    def test_serves_the_bridge_only(self):
        listening = self.net.exec(CONTAINER, "ss", "-Hlnu", "sport = 53").split("\n")
        local = sorted(line.split()[3] for line in listening if line)
        self.assertIn(f"{BRIDGE4}:53", local)
        for address in local:
            self.assertTrue(address.startswith((BRIDGE4, "[fd", "[fe80")), local)

    def test_without_root(self):
        """It has dropped to a user of its own, and no pid file was left."""
        status = pathlib.Path(f"/proc/{self.dnsmasq.pid}/status").read_text()
        self.assertNotEqual(re.search(r"^Uid:\t(\d+)", status, re.MULTILINE)[1], "0")
        self.assertFalse(pathlib.Path(self.run_directory, "dnsmasq.pid").exists())
        self.assertEqual(sorted(path.name for path in self.file("").iterdir()),
                         ["dnsmasq.conf", "dnsmasq.leases", "netfw.lock", "network.conf"])

    def test_ipv6(self):
        """A router advertisement brings the default route, and DHCPv6 the address that the forwards lead to."""
        info = self.netinfo()
        route = lab.until("a router advertisement", lambda: self.net.ip(GUEST, "-6", "route", "show", "default"))
        self.assertIn("proto ra", route)
        self.assertIn(socket.inet_pton(socket.AF_INET6, info["guest-address6"]), self.solicit())

    def solicit(self):
        """One DHCPv6 SOLICIT of the guest's MAC; the ADVERTISE that answers it."""
        mac = bytes.fromhex(GUEST_MAC.replace(":", ""))
        duid = struct.pack(">HHHH", 1, 10, 3, 1) + mac
        association = struct.pack(">HHIII", 3, 12, 1, 0, 0)
        self.net.ip(GUEST, "link", "set", "g0", "address", GUEST_MAC)
        with self.net.socket(GUEST, "::", socket.SOCK_DGRAM) as client, self.net.inside(GUEST):
            index = socket.if_nametoindex("g0")
            link_local = lab.until("a link-local address", lambda: re.search(
                r"inet6 (fe80\S+)/64 scope link\s+$|inet6 (fe80\S+)/64 scope link (?!tentative)",
                self.net.ip(GUEST, "-6", "addr", "show", "dev", "g0"), re.MULTILINE))
            client.bind((link_local[1] or link_local[2], 546, 0, index))
            client.settimeout(1)

            def answered():
                """As a client does it, again and again: dnsmasq does not answer before its own address is one."""
                client.sendto(b"\x01\xab\xcd\xef" + duid + association, ("ff02::1:2", 547, 0, index))
                with contextlib.suppress(TimeoutError):
                    return client.recv(2000)
                return None
            answer = lab.until("an ADVERTISE", answered)
        self.assertEqual(answer[:4], b"\x02\xab\xcd\xef")
        return answer


class Restart(Dnsmasq):
    def test_new_configuration(self):
        """It ends at SIGTERM, and starts again on the lease file that it left."""
        self.assertEqual(self.lease()["ip"], GUEST4)
        self.dnsmasq.send_signal(signal.SIGTERM)
        self.assertEqual(self.dnsmasq.wait(lab.SOON), 0)
        self.up()
        self.start()
        self.assertEqual(self.lease()["ip"], GUEST4)


if __name__ == "__main__":
    unittest.main()
