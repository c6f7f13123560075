"""Segments that fit: the guest has its uplink's MTU, and where a way is narrower both ends are told so."""
import socket
import unittest

import lab
from lab import CONTAINER, CONTAINER4, CONTAINER6, GUEST, OUTSIDE, OUTSIDE4, OUTSIDE6

TCP_MAXSEG = socket.TCP_MAXSEG
FAR, FAR4, ROUTER4 = "far", "10.44.0.9", "10.44.0.2"


class Mss(lab.Lab):
    """The uplink with the default route has 1500; a second network of the container's has 1300."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net.add(FAR)
        cls.cable(FAR, "f0", CONTAINER, "eth1", "02:00:00:00:00:44")
        cls.net.ip(CONTAINER, "link", "set", "eth1", "mtu", "1300")
        cls.net.ip(CONTAINER, "addr", "add", f"{ROUTER4}/24", "dev", "eth1")
        cls.net.ip(FAR, "addr", "add", f"{FAR4}/24", "dev", "f0")
        cls.net.ip(CONTAINER, "route", "add", "default", "via", OUTSIDE4)
        # Whoever is told nothing stays with what it believes.
        cls.up("[network]\nforwards = 3389/tcp\n")
        cls.plug()
        cls.guest6 = cls.plug6()

    def segments(self, server, address, client, port):
        """The largest segments that both ends of a connection would send: (client's, server's)."""
        with self.net.socket(server, "0.0.0.0" if ":" not in address else "::") as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", port))
            listener.listen()
            with self.net.socket(client, address) as connection:
                connection.connect((address, port))
                accepted, _ = listener.accept()
                with accepted:
                    accepted.settimeout(lab.SOON)
                    connection.sendall(b"x" * 20000)
                    received = 0
                    while received < 20000:
                        received += len(accepted.recv(65536))
                    return tuple(end.getsockopt(socket.IPPROTO_TCP, TCP_MAXSEG) for end in (connection, accepted))

    def test_wide(self):
        """Nothing is made smaller than it has to be; timestamps take 12 bytes of 1460."""
        self.assertEqual(self.netinfo()["mtu"], "1500")
        self.assertEqual(self.segments(GUEST, CONTAINER4, OUTSIDE, 3389), (1448, 1448))
        self.assertEqual(self.segments(OUTSIDE, OUTSIDE4, GUEST, 7000), (1448, 1448))

    def test_narrow_in(self):
        """A client behind the narrow network, whose own device believes in 1500."""
        self.assertEqual(self.segments(GUEST, ROUTER4, FAR, 3389), (1248, 1248))

    def test_narrow_out(self):
        self.assertEqual(self.segments(FAR, FAR4, GUEST, 7000), (1248, 1248))

    def test_without_the_rule(self):
        """It is the rule: without it each end believes in its own 1500."""
        self.addCleanup(self.up, "[network]\nforwards = 3389/tcp\n")
        for chain in ("to_guest", "from_guest"):
            listed = self.net.exec(CONTAINER, "nft", "-a", "list", "chain", "inet", "casement", chain)
            handle = next(line.split()[-1] for line in listed.splitlines() if "maxseg" in line)
            self.net.exec(CONTAINER, "nft", "delete", "rule", "inet", "casement", chain, "handle", handle)
        with self.net.socket(FAR, FAR4) as listener, self.net.socket(GUEST, FAR4) as connection:
            listener.bind(("", 7001))
            listener.listen()
            connection.connect((FAR4, 7001))
            # Until the first packet that is too large comes back with an error.
            self.assertEqual(connection.getsockopt(socket.IPPROTO_TCP, TCP_MAXSEG), 1448)

    def test_ipv6(self):
        """40 bytes of header instead of 20."""
        self.assertEqual(self.segments(GUEST, CONTAINER6, OUTSIDE, 3389)[0], 1428)
        self.assertEqual(self.segments(OUTSIDE, OUTSIDE6, GUEST, 7002)[0], 1428)


if __name__ == "__main__":
    unittest.main()
