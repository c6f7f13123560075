"""Connections that were tracked under other rules: which end, and which do not notice."""
import socket
import unittest

import lab
from lab import BRIDGE4, CONTAINER, CONTAINER4, CONTAINER6, GUEST, OUTSIDE, OUTSIDE4

UDP = socket.SOCK_DGRAM
BEFORE = "[network]\nforwards = 80/tcp\n"
AFTER = "[network]\nforwards = 80/tcp 5000/udp 3389/tcp\n"


class Flows(lab.Lab):
    def setUp(self):
        self.up(BEFORE)
        self.addCleanup(self.netfw, "down")
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")

    def client(self, name, address, port):
        """A UDP client with a port of its own that has spoken already, and was heard by nobody."""
        client = self.net.socket(name, address, UDP)
        self.addCleanup(client.close)
        client.bind(("", 45678))
        # Not connected: an ICMP error does not close it.
        client.sendto(b"?", (address, port))
        return client

    def answer_to(self, client, address, port):
        client.settimeout(lab.SOON)
        client.sendto(b"?", (address, port))
        return self.answer(client.recv(1000).decode())

    def test_udp_before_the_forward(self):
        """The same client, from the same port, reaches the guest as soon as the forward is there."""
        self.serve(GUEST, "0.0.0.0", 5000, UDP)
        client = self.client(OUTSIDE, CONTAINER4, 5000)
        self.assertIn("connections that began under other rules: 1 ended", self.up(AFTER))
        self.assertEqual(self.answer_to(client, CONTAINER4, 5000), (GUEST, 5000, BRIDGE4))

    def test_udp_before_the_forward_ipv6(self):
        guest6 = self.plug6()
        self.serve(GUEST, guest6, 5000, UDP)
        client = self.client(OUTSIDE, CONTAINER6, 5000)
        self.up(AFTER)
        self.assertEqual(self.answer_to(client, CONTAINER6, 5000)[:2], (GUEST, 5000))

    def test_udp_from_the_container(self):
        self.serve(GUEST, "0.0.0.0", 5000, UDP)
        client = self.client(CONTAINER, "127.0.0.1", 5000)
        self.up(AFTER)
        self.assertEqual(self.answer_to(client, "127.0.0.1", 5000)[:2], (GUEST, 5000))

    def test_it_would_not_work_otherwise(self):
        """The negative control: with the rules alone the client stays where its first packet went."""
        self.serve(GUEST, "0.0.0.0", 5000, UDP)
        self.serve(CONTAINER, "0.0.0.0", 5000, UDP)
        client = self.client(OUTSIDE, CONTAINER4, 5000)
        client.recv(1000)
        self.net.exec(CONTAINER, "nft", "add element inet casement fwd4 { udp . 5000 : 192.168.121.68 . 5000 }")
        self.assertEqual(self.answer_to(client, CONTAINER4, 5000)[0], CONTAINER)
        self.net.exec(CONTAINER, "nft", "delete element inet casement fwd4 { udp . 5000 }")
        self.up(AFTER)
        self.assertEqual(self.answer_to(client, CONTAINER4, 5000)[0], GUEST)

    def connected(self, name, address, port):
        client = self.net.socket(name, address)
        self.addCleanup(client.close)
        client.connect((address, port))
        stream = client.makefile("rb")
        self.addCleanup(stream.close)
        stream.readline()
        return client, stream

    def assert_alive(self, connection):
        connection[0].sendall(b"still here\n")
        self.assertEqual(connection[1].readline(), b"still here\n")

    def test_others_do_not_notice(self):
        """The container's own service, its own client, the guest's client: on the port that is forwarded now."""
        self.serve(CONTAINER, "0.0.0.0", 3389)
        self.serve(OUTSIDE, "0.0.0.0", 3389)
        self.serve(OUTSIDE, "0.0.0.0", 5000, UDP)
        alive = [self.connected(OUTSIDE, CONTAINER4, 3389), self.connected(CONTAINER, OUTSIDE4, 3389),
                 self.connected(GUEST, OUTSIDE4, 3389)]
        udp = self.client(GUEST, OUTSIDE4, 5000)
        # Masqueraded: were its entry gone, the next packet might leave from another port.
        first = udp.recv(1000)
        self.assertNotIn("connections that began", self.up(AFTER))
        for connection in alive:
            self.assert_alive(connection)
        self.answer_to(udp, OUTSIDE4, 5000)
        self.assertEqual(first.split()[2].decode(), CONTAINER4)

    def test_removed(self):
        """A forward that is taken away stops at once, for TCP and UDP; the other one goes on."""
        self.up(AFTER)
        self.serve(GUEST, "0.0.0.0", 80)
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "0.0.0.0", 5000, UDP)
        stays, leaves = self.connected(OUTSIDE, CONTAINER4, 80), self.connected(OUTSIDE, CONTAINER4, 3389)
        udp = self.client(OUTSIDE, CONTAINER4, 5000)
        udp.recv(1000)
        self.assertIn("connections that began under other rules: 2 ended", self.up(BEFORE))
        self.assert_alive(stays)
        with self.assertRaises(ConnectionResetError):
            leaves[0].sendall(b"?\n")
            leaves[1].readline()
        udp.settimeout(lab.NEVER)
        udp.sendto(b"?", (CONTAINER4, 5000))
        with self.assertRaises(TimeoutError):
            udp.recv(1000)

    def test_removed_and_the_guest_speaks(self):
        """What the guest sends into a connection that was ended does not begin it anew, whoever it takes its client for."""
        for source in ("masquerade", "preserve"):
            with self.subTest(source):
                self.up(f"{AFTER}source = {source}\n")
                with self.net.socket(GUEST, "0.0.0.0") as listener:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind(("", 3389))
                    listener.listen()
                    client = self.net.socket(OUTSIDE, CONTAINER4)
                    self.addCleanup(client.close)
                    client.connect((CONTAINER4, 3389))
                    guest, _ = listener.accept()
                    self.addCleanup(guest.close)
                    self.up(f"{BEFORE}source = {source}\n")
                    guest.sendall(b"is anybody there?")
                    client.settimeout(lab.NEVER)
                    with self.assertRaises((TimeoutError, ConnectionResetError)):
                        client.recv(100)

    def test_others_forwards(self):
        """Somebody else leads a port to the guest, too: its connections are none of ours."""
        self.net.exec(CONTAINER, "nft", "add table ip mine; add chain ip mine pre { type nat hook prerouting priority -110; }; "
                      "add rule ip mine pre tcp dport 8443 dnat to 192.168.121.68:443")
        self.addCleanup(self.net.exec, CONTAINER, "nft", "delete table ip mine")
        self.serve(GUEST, "0.0.0.0", 443)
        alive = self.connected(OUTSIDE, CONTAINER4, 8443)
        self.assertNotIn("connections that began", self.up(AFTER))
        self.assert_alive(alive)

    def test_another_guest_address(self):
        """What led to the old address ends, and the client finds the new one."""
        self.up(AFTER)
        self.serve(GUEST, "0.0.0.0", 5000, UDP)
        udp = self.client(OUTSIDE, CONTAINER4, 5000)
        udp.recv(1000)
        self.net.ip(GUEST, "addr", "del", "192.168.121.68/24", "dev", "g0")
        self.net.ip(GUEST, "addr", "add", "192.168.121.99/24", "dev", "g0")
        self.net.ip(GUEST, "route", "replace", "default", "via", BRIDGE4)
        self.up(f"{AFTER}guest-address = 192.168.121.99\n")
        self.assertEqual(self.answer_to(udp, CONTAINER4, 5000)[0], GUEST)

    def test_after_a_crash(self):
        """The rules came, but nobody ended what was stale: the next run does."""
        self.serve(GUEST, "0.0.0.0", 5000, UDP)
        client = self.client(OUTSIDE, CONTAINER4, 5000)
        self.net.exec(CONTAINER, "nft", "add element inet casement fwd4 { udp . 5000 : 192.168.121.68 . 5000 }")
        self.assertIn("connections that began under other rules: 1 ended",
                      self.up("[network]\nforwards = 80/tcp 5000/udp\n"))
        self.assertEqual(self.answer_to(client, CONTAINER4, 5000)[0], GUEST)

    def test_moved(self):
        """A forward that leads to another port now: the old connection ends, the next one goes there."""
        self.up("[network]\nforwards = 8000:3389/tcp\n")
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "0.0.0.0", 3390)
        old = self.connected(OUTSIDE, CONTAINER4, 8000)
        self.up("[network]\nforwards = 8000:3390/tcp\n")
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 8000)[:2], (GUEST, 3390))
        with self.assertRaises(ConnectionResetError):
            old[0].sendall(b"?\n")
            old[1].readline()

    def test_many(self):
        """Thousands of entries, of which a few are ours: those and no others."""
        self.serve(OUTSIDE, "0.0.0.0", 5000, UDP)
        with self.net.socket(CONTAINER, OUTSIDE4, UDP) as sender:
            for port in range(20000, 23000):
                sender.sendto(b"?", (OUTSIDE4, port))
        self.serve(GUEST, "0.0.0.0", 5000, UDP)
        client = self.client(OUTSIDE, CONTAINER4, 5000)
        self.assertIn("connections that began under other rules: 1 ended", self.up(AFTER))
        self.assertEqual(self.answer_to(client, CONTAINER4, 5000)[0], GUEST)


if __name__ == "__main__":
    unittest.main()
