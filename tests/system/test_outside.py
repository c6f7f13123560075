"""Who may reach the guest: the forwards lead to it, its own address does not."""
import os
import signal
import socket
import threading
import unittest

import harness

GUEST = "192.168.121.68"


class OutsideTest(harness.SystemTest):
    """A host with a cable of its own into the container, and a route to the guest's subnet through it.

    A cable and not Docker's network, because Docker's rules would drop the packets before casement's could.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = cls.shared()
        cls.guest.wait_ready()
        cls.namespace = f"{harness.PREFIX}-{next(harness.numbers)}"
        cable = f"ct{os.getpid()}c"[:14]
        harness.run("ip", "netns", "add", cls.namespace)
        cls.addClassCleanup(harness.run, "ip", "netns", "del", cls.namespace, check=False)
        harness.run("ip", "link", "add", cable, "netns", cls.namespace, "type", "veth", "peer", "name", "cable0", "netns",
                    str(cls.guest.pid))
        for setting in (["link", "set", "lo", "up"], ["address", "add", "10.213.7.2/24", "dev", cable],
                        ["link", "set", cable, "up"]):
            harness.run("ip", "-n", cls.namespace, *setting)
        inside = ("nsenter", "-n", "-t", str(cls.guest.pid))
        harness.run(*inside, "ip", "address", "add", "10.213.7.1/24", "dev", "cable0")
        harness.run(*inside, "ip", "link", "set", "cable0", "up")
        harness.run("ip", "-n", cls.namespace, "route", "add", "192.168.121.0/24", "via", "10.213.7.1")

    def outside(self, action):
        """What action() returns when a thread in the outside host's namespace calls it."""
        result = []

        def work():
            with open(f"/run/netns/{self.namespace}", encoding="ascii") as namespace:
                harness.set_network_namespace(namespace.fileno())
            try:
                result.append(action())
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return result[0]

    def handshake(self, address, timeout):
        def action():
            with socket.create_connection((address, 3389), timeout=timeout) as connection:
                harness.rdp_handshake(connection)
            return "answered"

        return self.outside(action)

    def test_the_guests_own_address_is_closed(self):
        # The way is there: the same host reaches the forward.
        self.assertEqual(self.handshake("10.213.7.1", 10), "answered")
        self.assertIsInstance(self.handshake(GUEST, 4), TimeoutError, "dropped, neither refused nor answered")
        # Without casement's table the same packets arrive: it is the table that dropped them, and this test would see it.
        keeper = self.guest.process("casement-netfw")
        os.kill(keeper, signal.SIGSTOP)
        try:
            harness.run("nsenter", "-n", "-t", str(self.guest.pid), "nft", "delete", "table", "inet", "casement")
            self.assertEqual(self.handshake(GUEST, 10), "answered")
        finally:
            os.kill(keeper, signal.SIGCONT)
        # Its keeper puts the table back as soon as it can.
        harness.until("the table is back", 10, lambda: self.guest.status()["network"]["repairs"] > 0)
        self.assertIsInstance(self.handshake(GUEST, 4), TimeoutError)
        self.assertEqual(self.handshake("10.213.7.1", 10), "answered")


if __name__ == "__main__":
    unittest.main()
