"""What must not get through, each with the proof that it would without the rule."""
import re
import socket
import struct
import unittest

import lab
from lab import BRIDGE4, CONTAINER, CONTAINER4, CONTAINER6, GUEST, GUEST4, OUTSIDE, OUTSIDE4

UDP = socket.SOCK_DGRAM
CONFIG = "[network]\nforwards = 3389\n"
# Type 8, code 0, checksum, identifier 0, sequence number 0.
ECHO_REQUEST = b"\x08\x00\xf7\xff\x00\x00\x00\x00"
NEIGHBOUR, NEIGHBOUR4 = "neighbour", "192.168.121.77"


def ip_udp(source, destination, source_port, port, data):
    """An IPv4 packet with a datagram, without a UDP checksum."""
    udp = struct.pack(">4H", source_port, port, 8 + len(data), 0) + data
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:] + udp


class Protection(lab.Lab):
    def setUp(self):
        """Every test changes the rules: each begins with a fresh set, and the outside knows the way to the guest."""
        self.up(CONFIG)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.up(CONFIG)
        cls.plug()
        cls.guest6 = cls.plug6()
        cls.net.ip(OUTSIDE, "route", "add", "192.168.121.0/24", "via", CONTAINER4)
        cls.net.ip(OUTSIDE, "route", "add", f"{cls.guest6}/128", "via", CONTAINER6)

    def nft(self, *words):
        return self.net.exec(CONTAINER, "nft", *words)

    def dropped(self):
        """What the last rule of to_guest has counted."""
        return int(re.search(r"counter packets (\d+)", self.nft("list", "chain", "inet", "casement", "to_guest"))[1])

    def test_direct_access(self):
        for address in (GUEST4, self.guest6):
            with self.subTest(address):
                self.up(CONFIG)
                self.serve(GUEST, "::" if ":" in address else "0.0.0.0", 3389)
                self.serve(GUEST, "::" if ":" in address else "0.0.0.0", 3389, UDP)
                self.assertEqual(self.dropped(), 0)
                self.assert_silent(self.ask_tcp, OUTSIDE, address, 3389)
                self.assert_silent(self.ask_udp, OUTSIDE, address, 3389)
                self.assertGreaterEqual(self.dropped(), 2)
                # It is the rule that keeps them out.
                self.nft("flush", "chain", "inet", "casement", "to_guest")
                self.assertEqual(self.ask_tcp(OUTSIDE, address, 3389)[0], GUEST)

    def test_ping(self):
        """ICMP has no port that could be forwarded: the container answers, the guest is out of reach."""
        with self.net.inside(OUTSIDE):
            client = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with client:
            client.settimeout(lab.SOON)
            client.sendto(ECHO_REQUEST, (CONTAINER4, 0))
            self.assertEqual(client.recvfrom(1000)[1][0], CONTAINER4)
            before = self.dropped()
            client.sendto(ECHO_REQUEST, (GUEST4, 0))
            lab.until("the request is counted as dropped", lambda: self.dropped() == before + 1)

    def test_answers_pass(self):
        """Related and established traffic reaches the guest: an answer, and an ICMP error about its own packet."""
        with self.net.socket(GUEST, OUTSIDE4, UDP) as client:
            client.connect((OUTSIDE4, 9))
            client.send(b"?")
            with self.assertRaises(ConnectionRefusedError):
                client.recv(1)

    def test_guard(self):
        """route_localnet is on for the bridge: a machine on it may still not reach what listens on 127.0.0.1."""
        self.net.add(NEIGHBOUR)
        self.plug(NEIGHBOUR, "n0", "vnet1", f"{NEIGHBOUR4}/24", "02:00:00:00:00:77")
        # A machine that does not keep 127.0.0.0/8 to itself.
        self.net.ip(NEIGHBOUR, "addr", "flush", "dev", "lo")
        self.net.ip(NEIGHBOUR, "route", "flush", "table", "local", "127.0.0.0/8", check=False)
        self.net.ip(NEIGHBOUR, "route", "add", "127.0.0.0/8", "via", BRIDGE4, "src", NEIGHBOUR4)
        self.net.sysctl(NEIGHBOUR, "net.ipv4.conf.all.route_localnet", 1)
        self.serve(CONTAINER, "127.0.0.1", 9999, UDP)
        self.assert_silent(self.ask_udp, NEIGHBOUR, "127.0.0.1", 9999)
        self.nft("flush", "chain", "inet", "casement", "guard")
        self.assertEqual(self.ask_udp(NEIGHBOUR, "127.0.0.1", 9999), (CONTAINER, 9999, NEIGHBOUR4))

    def test_guest_is_not_the_loopback(self):
        """Nor may it send as one of those addresses, which its bridge would take for good."""
        self.net.sysctl(CONTAINER, "net.ipv4.conf.all.rp_filter", 0)
        self.net.sysctl(CONTAINER, "net.ipv4.conf.virbr1.rp_filter", 0)
        server = self.net.socket(CONTAINER, BRIDGE4, UDP)
        self.addCleanup(server.close)
        server.bind((BRIDGE4, 7777))
        server.settimeout(lab.NEVER)
        target = bytes.fromhex(self.net.ip(CONTAINER, "-br", "link", "show", "virbr1").split()[2].replace(":", ""))
        with self.net.inside(GUEST):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        with wire:
            packet = ip_udp("127.0.0.2", BRIDGE4, 5555, 7777, b"?")
            address = ("g0", 0x0800, 0, 0, target)
            wire.sendto(packet, address)
            with self.assertRaises(TimeoutError):
                server.recvfrom(100)
            self.nft("flush", "chain", "inet", "casement", "guard")
            wire.sendto(packet, address)
            server.settimeout(lab.SOON)
            self.assertEqual(server.recvfrom(100)[1], ("127.0.0.2", 5555))

    def test_other_forwarding_is_left_alone(self):
        """A second network behind the container has nothing to do with the bridge."""
        other = "other"
        self.net.add(other)
        self.cable(other, "x0", CONTAINER, "eth9", "02:00:00:00:00:99")
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "eth9")
        self.net.ip(CONTAINER, "addr", "add", "10.77.0.1/24", "dev", "eth9")
        self.net.ip(other, "addr", "add", "10.77.0.2/24", "dev", "x0")
        self.net.ip(other, "route", "add", "172.30.0.0/24", "via", "10.77.0.1")
        self.net.ip(OUTSIDE, "route", "add", "10.77.0.0/24", "via", CONTAINER4)
        self.up(CONFIG)
        self.serve(other, "0.0.0.0", 7000)
        self.assertEqual(self.ask_tcp(OUTSIDE, "10.77.0.2", 7000), (other, 7000, OUTSIDE4))
        self.serve(OUTSIDE, "0.0.0.0", 7000)
        self.assertEqual(self.ask_tcp(other, OUTSIDE4, 7000), (OUTSIDE, 7000, "10.77.0.2"))
        # And the forward is reached through this network as well.
        self.serve(GUEST, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(other, "10.77.0.1", 3389), (GUEST, 3389, BRIDGE4))


if __name__ == "__main__":
    unittest.main()
