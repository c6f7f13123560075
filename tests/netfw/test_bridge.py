"""The bridge with br_netfilter on, as it is in every new namespace of a machine where Docker runs."""
import pathlib
import unittest

import lab
from lab import BRIDGE4, CONTAINER, CONTAINER4, GUEST, GUEST4, OUTSIDE

NEIGHBOUR, NEIGHBOUR4 = "neighbour", "192.168.121.77"


class BridgeNetfilter(lab.Lab):
    ipv6 = False

    @classmethod
    def sysctls(cls):
        cls.net.sysctl(CONTAINER, "net.ipv4.ip_forward", 0)
        if not pathlib.Path("/proc/sys/net/bridge").is_dir():
            lab.run("modprobe", "br_netfilter")
        cls.net.sysctl(CONTAINER, "net.bridge.bridge-nf-call-iptables", 1)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.up("[network]\nforwards = 3389\n")
        cls.plug()
        cls.net.add(NEIGHBOUR)
        cls.plug(NEIGHBOUR, "n0", "vnet1", f"{NEIGHBOUR4}/24", "02:00:00:00:00:77")

    def test_forward(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))

    def test_neighbours_on_the_bridge(self):
        """Their frames go through the forward hook; the drop at the end of to_guest is not for them."""
        self.serve(GUEST, "0.0.0.0", 8080)
        self.assertEqual(self.ask_tcp(NEIGHBOUR, GUEST4, 8080), (GUEST, 8080, NEIGHBOUR4))
        handle = next(line.split()[-1] for line in self.net.exec(
            CONTAINER, "nft", "-a", "list", "chain", "inet", "casement", "to_guest").splitlines() if "iifname" in line and "accept" in line)
        self.net.exec(CONTAINER, "nft", "delete", "rule", "inet", "casement", "to_guest", "handle", handle)
        self.assert_silent(self.ask_tcp, NEIGHBOUR, GUEST4, 8080)

    def test_hairpin(self):
        """A frame back to the port that it came from needs hairpin mode on that port; the rules are not in the way."""
        self.net.exec(CONTAINER, "bridge", "link", "set", "dev", "vnet0", "hairpin", "on")
        self.serve(GUEST, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))


if __name__ == "__main__":
    unittest.main()
