"""Who reaches what through the forwards: from outside, from the container, from the guest."""
import socket
import unittest

import lab
from lab import BRIDGE4, CONTAINER, CONTAINER4, CONTAINER6, GUEST, GUEST4, OUTSIDE, OUTSIDE4, OUTSIDE6

UDP = socket.SOCK_DGRAM

CONFIG = """[network]
forwards = 3389, 13389:3389/tcp, 40000-40010/tcp, 41000-41010/udp, 5000-5002:6000-6002/tcp 53
"""


class Forwards(lab.Lab):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.up(CONFIG)
        cls.plug()
        cls.guest6 = cls.plug6()

    # From outside.

    def test_tcp(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))

    def test_udp(self):
        self.serve(GUEST, "0.0.0.0", 3389, UDP)
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))

    def test_remap(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 13389), (GUEST, 3389, BRIDGE4))

    def test_range_keeps_its_ports(self):
        for port in (40000, 40005, 40010):
            self.serve(GUEST, "0.0.0.0", port)
            self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, port), (GUEST, port, BRIDGE4))
        for port in (41000, 41010):
            self.serve(GUEST, "0.0.0.0", port, UDP)
            self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, port), (GUEST, port, BRIDGE4))

    def test_range_ends(self):
        for port in (39999, 40011):
            self.serve(GUEST, "0.0.0.0", port)
            self.serve(CONTAINER, CONTAINER4, port)
            self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, port)[0], CONTAINER)

    def test_shifted_range(self):
        for port in (6000, 6001, 6002):
            self.serve(GUEST, "0.0.0.0", port)
            self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, port - 1000), (GUEST, port, BRIDGE4))

    def test_protocols_are_apart(self):
        """40000 is forwarded for tcp only: its udp is the container's own."""
        self.serve(GUEST, "0.0.0.0", 40000, UDP)
        self.serve(CONTAINER, CONTAINER4, 40000, UDP)
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, 40000), (CONTAINER, 40000, OUTSIDE4))

    def test_other_ports_are_the_containers(self):
        self.serve(GUEST, "0.0.0.0", 8080)
        with self.assertRaises(ConnectionRefusedError):
            self.ask_tcp(OUTSIDE, CONTAINER4, 8080)
        self.serve(CONTAINER, CONTAINER4, 8080)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 8080), (CONTAINER, 8080, OUTSIDE4))

    def test_ipv6(self):
        self.serve(GUEST, "::", 3389)
        self.serve(GUEST, "::", 3389, UDP)
        self.serve(GUEST, "::", 40007)
        seen = self.netinfo()["address6"]
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER6, 3389), (GUEST, 3389, seen))
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER6, 3389), (GUEST, 3389, seen))
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER6, 13389), (GUEST, 3389, seen))
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER6, 40007), (GUEST, 40007, seen))

    def test_much_data(self):
        """A megabyte there and back, so more than one segment and both directions."""
        self.serve(GUEST, "0.0.0.0", 3389)
        block = bytes(range(256)) * 256
        with self.net.socket(OUTSIDE, CONTAINER4) as client:
            client.connect((CONTAINER4, 3389))
            stream = client.makefile("rb")
            stream.readline()
            for _ in range(16):
                client.sendall(block)
                self.assertEqual(stream.read(len(block)), block)

    # From the container itself.

    def test_from_container(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "0.0.0.0", 3389, UDP)
        self.serve(GUEST, "::", 3389)
        for address in (CONTAINER4, "127.0.0.1", "127.5.5.5", BRIDGE4):
            with self.subTest(address):
                self.assertEqual(self.ask_tcp(CONTAINER, address, 3389), (GUEST, 3389, BRIDGE4))
                self.assertEqual(self.ask_udp(CONTAINER, address, 3389), (GUEST, 3389, BRIDGE4))
                self.assertEqual(self.ask_tcp(CONTAINER, address, 13389), (GUEST, 3389, BRIDGE4))
        self.assertEqual(self.ask_tcp(CONTAINER, CONTAINER6, 3389)[0], GUEST)

    def test_ipv6_loopback(self):
        """::1 cannot be led to the guest, so it stays the container's: its own server answers, or nobody, at once."""
        with self.assertRaises(ConnectionRefusedError):
            self.ask_tcp(CONTAINER, "::1", 3389)
        self.serve(CONTAINER, "::1", 3389)
        self.serve(CONTAINER, "::1", 3389, UDP)
        self.assertEqual(self.ask_tcp(CONTAINER, "::1", 3389), (CONTAINER, 3389, "::1"))
        self.assertEqual(self.ask_udp(CONTAINER, "::1", 3389), (CONTAINER, 3389, "::1"))

    def test_container_keeps_its_loopback(self):
        self.serve(CONTAINER, "127.0.0.1", 8080)
        self.assertEqual(self.ask_tcp(CONTAINER, "127.0.0.1", 8080), (CONTAINER, 8080, "127.0.0.1"))

    def test_container_reaches_the_guest(self):
        self.serve(GUEST, "0.0.0.0", 8081)
        self.assertEqual(self.ask_tcp(CONTAINER, GUEST4, 8081), (GUEST, 8081, BRIDGE4))

    def test_container_reaches_others(self):
        """A port that is forwarded here is not captured on its way to somebody else."""
        self.serve(OUTSIDE, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(CONTAINER, OUTSIDE4, 3389), (OUTSIDE, 3389, CONTAINER4))

    # From the guest.

    def test_hairpin(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "::", 3389)
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER4, 13389), (GUEST, 3389, BRIDGE4))
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER6, 3389)[0], GUEST)

    def test_egress(self):
        self.serve(OUTSIDE, "0.0.0.0", 9000)
        self.serve(OUTSIDE, "0.0.0.0", 9000, UDP)
        self.serve(OUTSIDE, "::", 9000)
        self.assertEqual(self.ask_tcp(GUEST, OUTSIDE4, 9000), (OUTSIDE, 9000, CONTAINER4))
        self.assertEqual(self.ask_udp(GUEST, OUTSIDE4, 9000), (OUTSIDE, 9000, CONTAINER4))
        self.assertEqual(self.ask_tcp(GUEST, OUTSIDE6, 9000), (OUTSIDE, 9000, CONTAINER6))

    def test_egress_is_not_captured(self):
        """The guest's own connection to port 3389 of somebody else goes there."""
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(OUTSIDE, "0.0.0.0", 3389)
        self.serve(OUTSIDE, "::", 3389)
        self.assertEqual(self.ask_tcp(GUEST, OUTSIDE4, 3389), (OUTSIDE, 3389, CONTAINER4))
        self.assertEqual(self.ask_tcp(GUEST, OUTSIDE6, 3389), (OUTSIDE, 3389, CONTAINER6))

    def test_guest_keeps_its_dns(self):
        """Port 53 is forwarded to the guest, yet its own questions reach the bridge's server."""
        self.serve(GUEST, "0.0.0.0", 53, UDP)
        self.serve(CONTAINER, BRIDGE4, 53, UDP)
        self.serve(CONTAINER, BRIDGE4, 53)
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, 53), (GUEST, 53, BRIDGE4))
        self.assertEqual(self.ask_udp(GUEST, BRIDGE4, 53), (CONTAINER, 53, GUEST4))
        self.assertEqual(self.ask_tcp(GUEST, BRIDGE4, 53), (CONTAINER, 53, GUEST4))


class All(lab.Lab):
    """`all`: every port but those that are kept and those that a forward of their own has."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.up("[network]\nforwards = all 13389:3389/tcp 5000-5002:6000-6002/udp\nkeep = 22/tcp 9000-9010\n")
        cls.plug()
        cls.guest6 = cls.plug6()

    def test_all(self):
        for port in (1, 21, 3389, 8999, 9011, 13388, 65535):
            with self.subTest(port):
                self.serve(GUEST, "0.0.0.0", port)
                self.serve(GUEST, "0.0.0.0", port, UDP)
                self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, port), (GUEST, port, BRIDGE4))
                self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, port), (GUEST, port, BRIDGE4))

    def test_ipv6(self):
        self.serve(GUEST, "::", 40000)
        self.serve(GUEST, "::", 40000, UDP)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER6, 40000)[:2], (GUEST, 40000))
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER6, 40000)[:2], (GUEST, 40000))

    def test_kept(self):
        """Of one protocol, or of both; a range to its ends."""
        for port, kind in ((22, socket.SOCK_STREAM), (9000, socket.SOCK_STREAM), (9010, UDP), (9005, UDP)):
            with self.subTest(port):
                self.serve(GUEST, "0.0.0.0", port, kind)
                self.serve(CONTAINER, CONTAINER4, port, kind)
                ask = self.ask_udp if kind == UDP else self.ask_tcp
                self.assertEqual(ask(OUTSIDE, CONTAINER4, port), (CONTAINER, port, OUTSIDE4))
        self.serve(GUEST, "0.0.0.0", 22, UDP)
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, 22), (GUEST, 22, BRIDGE4))

    def test_others_take_precedence(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "0.0.0.0", 6001, UDP)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 13389), (GUEST, 3389, BRIDGE4))
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, 5001), (GUEST, 6001, BRIDGE4))
        self.serve(GUEST, "0.0.0.0", 13389, UDP)
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, 13389), (GUEST, 13389, BRIDGE4))

    def test_answers_come_back(self):
        """What the container itself asks of others, from a port that is forwarded, is answered to it; so is the guest."""
        self.serve(OUTSIDE, "0.0.0.0", 7000, UDP)
        self.serve(OUTSIDE, "0.0.0.0", 7000)
        self.assertEqual(self.ask_udp(CONTAINER, OUTSIDE4, 7000), (OUTSIDE, 7000, CONTAINER4))
        self.assertEqual(self.ask_tcp(CONTAINER, OUTSIDE4, 7000), (OUTSIDE, 7000, CONTAINER4))
        self.assertEqual(self.ask_udp(GUEST, OUTSIDE4, 7000), (OUTSIDE, 7000, CONTAINER4))

    def test_guest_keeps_its_dns(self):
        self.serve(CONTAINER, BRIDGE4, 53, UDP)
        self.assertEqual(self.ask_udp(GUEST, BRIDGE4, 53), (CONTAINER, 53, GUEST4))


class Preserve(lab.Lab):
    """[network] source = preserve: the guest sees the client, unless its answer would not come back by the bridge."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.up("[network]\nforwards = 3389 40000-40010/tcp\nsource = preserve\n")
        cls.plug()
        cls.guest6 = cls.plug6()

    def test_from_outside(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "0.0.0.0", 3389, UDP)
        self.serve(GUEST, "0.0.0.0", 40003)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3389), (GUEST, 3389, OUTSIDE4))
        self.assertEqual(self.ask_udp(OUTSIDE, CONTAINER4, 3389), (GUEST, 3389, OUTSIDE4))
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 40003), (GUEST, 40003, OUTSIDE4))

    def test_ipv6(self):
        self.serve(GUEST, "::", 3389)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER6, 3389), (GUEST, 3389, OUTSIDE6))

    def test_from_container(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(CONTAINER, "127.0.0.1", 3389), (GUEST, 3389, BRIDGE4))
        self.assertEqual(self.ask_tcp(CONTAINER, CONTAINER4, 3389), (GUEST, 3389, CONTAINER4))

    def test_hairpin(self):
        """The guest would not answer itself through the bridge."""
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "::", 3389)
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER6, 3389)[2], self.netinfo()["address6"])

    def test_egress(self):
        self.serve(OUTSIDE, "0.0.0.0", 9000)
        self.assertEqual(self.ask_tcp(GUEST, OUTSIDE4, 9000), (OUTSIDE, 9000, CONTAINER4))


class DockerDns(lab.Lab):
    """Docker's embedded DNS: port 53 of 127.0.0.11 leads to a server of its own, even if 53 is forwarded.

    Docker writes its rules with nft, with iptables-nft or with iptables-legacy, and before or after ours: by the order, who
    registers a hook last may come first.
    """

    # As Docker has it with nft (table ip docker-dns), and with iptables (DOCKER_OUTPUT in the table nat).
    NFT = """
        add table ip docker-dns
        add chain ip docker-dns output { type nat hook output priority PRIORITY; }
        add rule ip docker-dns output ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:40053
        add rule ip docker-dns output ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:40054
    """
    IPTABLES = (
        "-N DOCKER_OUTPUT",
        "-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT",
        "-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp --dport 53 -j DNAT --to-destination 127.0.0.11:40053",
        "-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp --dport 53 -j DNAT --to-destination 127.0.0.11:40054",
    )

    def docker(self, kind):
        """Write Docker's rules; they go with the test."""
        if kind.startswith("nft"):
            self.net.exec(CONTAINER, "nft", self.NFT.replace("PRIORITY", kind.split()[1]))
            self.addCleanup(self.net.exec, CONTAINER, "nft", "delete table ip docker-dns")
            return
        for rule in self.IPTABLES:
            self.net.exec(CONTAINER, kind, "-t", "nat", *rule.split())
        self.addCleanup(self.net.exec, CONTAINER, kind, "-t", "nat", "-X")
        self.addCleanup(self.net.exec, CONTAINER, kind, "-t", "nat", "-F")

    def works(self, kind, docker_first):
        config = "[network]\nforwards = all\n"
        steps = [lambda: self.docker(kind), lambda: self.up(config)]
        for step in steps if docker_first else reversed(steps):
            step()
        self.addCleanup(self.netfw, "down", config)
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")
        self.serve(GUEST, "0.0.0.0", 53, UDP)
        self.serve(GUEST, "0.0.0.0", 53)
        self.serve(CONTAINER, "127.0.0.11", 40053, UDP)
        self.serve(CONTAINER, "127.0.0.11", 40054)
        self.assertEqual(self.ask_udp(CONTAINER, "127.0.0.11", 53)[:2], (CONTAINER, 40053))
        self.assertEqual(self.ask_tcp(CONTAINER, "127.0.0.11", 53)[:2], (CONTAINER, 40054))
        # And the forward itself works.
        self.assertEqual(self.ask_udp(CONTAINER, "127.0.0.1", 53)[:2], (GUEST, 53))
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 53)[:2], (GUEST, 53))

    def test_nft_first(self):
        self.works("nft -100", docker_first=True)

    def test_nft_later(self):
        self.works("nft -100", docker_first=False)

    def test_nft_at_a_lower_priority(self):
        self.works("nft -50", docker_first=False)

    def test_iptables_nft_first(self):
        self.works("iptables-nft", docker_first=True)

    def test_iptables_nft_later(self):
        self.works("iptables-nft", docker_first=False)

    def test_iptables_legacy_first(self):
        self.works("iptables-legacy", docker_first=True)

    def test_iptables_legacy_later(self):
        self.works("iptables-legacy", docker_first=False)

    def test_without_the_exception(self):
        """The rule that leaves 127.0.0.11 alone is what does it: without it the guest is asked."""
        self.up("[network]\nforwards = all\n")
        self.addCleanup(self.netfw, "down")
        self.docker("nft -50")
        handle = next(line.split()[-1] for line in self.net.exec(
            CONTAINER, "nft", "-a", "list", "chain", "inet", "casement", "output").splitlines() if "127.0.0.11" in line)
        self.net.exec(CONTAINER, "nft", "delete", "rule", "inet", "casement", "output", "handle", handle)
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")
        self.serve(GUEST, "0.0.0.0", 53, UDP)
        self.assertEqual(self.ask_udp(CONTAINER, "127.0.0.11", 53)[:2], (GUEST, 53))


if __name__ == "__main__":
    unittest.main()
