"""Every packet of a forward is counted once, in its direction, on each way that it may take; nothing else is."""
import re
import socket
import unittest

import lab
from lab import BRIDGE4, CONTAINER, CONTAINER4, CONTAINER6, GUEST, GUEST4, OUTSIDE, OUTSIDE4

UDP = socket.SOCK_DGRAM
FORWARDS = "[network]\nforwards = 3389, 13389:3390, 40000-40010, 41000-41001:42000-42001\n"
# A datagram of one byte, with its headers.
SIZE4, SIZE6 = 29, 49


class Count(lab.Lab):
    source = "masquerade"

    def setUp(self):
        """Each test begins with a table that has counted nothing."""
        self.up(f"{FORWARDS}source = {self.source}\n")
        self.addCleanup(self.netfw, "down")
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")
        self.plug6()

    def counted(self):
        """{(direction, proto, port or range): (packets, bytes)} of what is not zero."""
        text = "".join(self.net.exec(CONTAINER, "nft", "list", "set", "inet", "casement", name)
                       for name in ("count_ports", "count_ranges"))
        found = re.findall(r"(\w+) \. (\w+) \. (\S+) counter packets (\d+) bytes (\d+)", text)
        return {tuple(key): (int(packets), int(size)) for *key, packets, size in found if packets != "0"}

    def ask(self, name, address, port, guest_port):
        """One datagram to the guest, and its answer: the sizes of both."""
        server = self.serve(GUEST, "::" if ":" in address else "0.0.0.0", guest_port, UDP)
        try:
            self.assertEqual(self.ask_udp(name, address, port)[:2], (GUEST, guest_port))
        finally:
            server.close()

    def test_every_way(self):
        for name, address in ((OUTSIDE, CONTAINER4), (OUTSIDE, CONTAINER6), (CONTAINER, CONTAINER4), (CONTAINER, CONTAINER6),
                              (CONTAINER, "127.0.0.1"), (CONTAINER, BRIDGE4), (GUEST, CONTAINER4), (GUEST, CONTAINER6)):
            for port, guest_port, element in ((3389, 3389, "3389"), (13389, 3390, "13389"), (40003, 40003, "40000-40010"),
                                              (41001, 42001, "41001")):
                with self.subTest(f"{name} asks {address} port {port}"):
                    before = self.counted()
                    self.ask(name, address, port, guest_port)
                    self.ask(name, address, port, guest_port)
                    after = self.counted()
                    self.assertEqual({key for key in after if after[key] != before.get(key)},
                                     {("original", "udp", element), ("reply", "udp", element)})
                    grown = {way: tuple(now - then for now, then in zip(after[way, "udp", element],
                                                                       before.get((way, "udp", element), (0, 0))))
                             for way in ("original", "reply")}
                    size = SIZE6 if ":" in address else SIZE4
                    self.assertEqual(grown["original"], (2, 2 * size))
                    self.assertEqual(grown["reply"][0], 2)
                    self.assertGreater(grown["reply"][1], 2 * size)

    def test_one_connection(self):
        """More than a first packet is counted: the bytes of TCP that went there and back."""
        self.serve(GUEST, "0.0.0.0", 3389)
        block = b"x" * 50000
        with self.net.socket(OUTSIDE, CONTAINER4) as client:
            client.connect((CONTAINER4, 3389))
            stream = client.makefile("rb")
            stream.readline()
            client.sendall(block)
            self.assertEqual(stream.read(len(block)), block)
        counted = self.counted()
        self.assertEqual(set(counted), {("original", "tcp", "3389"), ("reply", "tcp", "3389")})
        for _, size in counted.values():
            self.assertGreater(size, len(block))
            self.assertLess(size, 2 * len(block))

    def test_nothing_else(self):
        """The guest's own connections, those to its own address, and errors about what it was sent are no forward's."""
        self.serve(OUTSIDE, "0.0.0.0", 3389, UDP)
        self.serve(GUEST, "0.0.0.0", 3389, UDP)
        self.ask_udp(GUEST, OUTSIDE4, 3389)
        self.ask_udp(CONTAINER, GUEST4, 3389)
        self.assertEqual(self.counted(), {})
        # Nobody listens: the guest answers with an ICMP error, which reaches the client.
        with self.net.socket(OUTSIDE, CONTAINER4, UDP) as client:
            client.connect((CONTAINER4, 13389))
            client.send(b"?")
            with self.assertRaises(ConnectionRefusedError):
                client.recv(1)
        self.assertEqual(self.counted(), {("original", "udp", "13389"): (1, SIZE4)})


class CountPreserve(Count):
    """The guest sees the client: the same ways."""

    source = "preserve"


if __name__ == "__main__":
    unittest.main()
