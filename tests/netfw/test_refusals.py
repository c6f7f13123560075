"""What cannot be done: the exit code, the reason, the remedy, and nothing changed."""
import os
import shutil
import unittest

import lab
from lab import CONTAINER

USAGE, UNAVAILABLE, CONFIG = 64, 69, 78


class Refusals(lab.Lab):
    def refused(self, code, text, *expected, verb="up", **keywords):
        """The program says every one of @expected, and leaves the namespace as it was."""
        before = self.state()
        said = self.netfw(verb, text, code=code, **keywords)
        for words in expected:
            self.assertIn(words, said)
        self.assertEqual(self.state(), before)
        return said

    def state(self):
        return self.net.exec(CONTAINER, "nft", "list", "ruleset") + self.net.ip(CONTAINER, "-br", "addr")

    # The network.

    def test_subnet_moves(self):
        self.net.ip(CONTAINER, "route", "add", "192.168.120.0/22", "dev", "eth0")
        self.addCleanup(self.net.ip, CONTAINER, "route", "del", "192.168.120.0/22")
        self.addCleanup(self.netfw, "down")
        listener = lab.Listener(os.path.join(self.run_directory, "notify"))
        self.addCleanup(listener.close)
        said = self.up(environment={"NOTIFY_SOCKET": "/run/notify"})
        self.assertIn("the route 192.168.120.0/22 of device eth0 is in the way", said)
        self.assertIn("(the route 192.168.120.0/22 of device eth0 is in the way of the preferred one)",
                      listener.until("STATUS")["STATUS"])
        info = self.netinfo()
        self.assertEqual((info["address"], info["guest-address"]), ("192.168.124.1", "192.168.124.68"))
        self.assertIn("192.168.124.1/24", self.net.ip(CONTAINER, "-br", "addr", "show", "virbr1"))
        self.assertIn("tcp . 3389 : 192.168.124.68 . 3389", self.table())
        self.assertIn("dhcp-host=52:54:00:12:34:56,192.168.124.68,", self.file("dnsmasq.conf").read_text())

    def test_subnet_stays(self):
        """A route that comes later does not move a guest that is running."""
        self.addCleanup(self.netfw, "down")
        self.up()
        self.net.ip(CONTAINER, "route", "add", "192.168.120.0/22", "dev", "eth0")
        self.addCleanup(self.net.ip, CONTAINER, "route", "del", "192.168.120.0/22")
        self.up()
        self.assertEqual(self.netinfo()["address"], "192.168.121.1")

    def test_fixed_subnet(self):
        said = self.refused(CONFIG, "[network]\nsubnet = 172.30.0.0/25\n",
                            "the subnet 172.30.0.0/25 overlaps the route 172.30.0.0/24 of device eth0",
                            "choose another one, or none")
        # Line 4: two of the test's own come before.
        self.assertIn("netfw.conf:4: [network] subnet", said)
        self.refused(CONFIG, "", "CASEMENT_NETWORK_SUBNET: [network] subnet", verb="check",
                     environment={"CASEMENT_NETWORK_SUBNET": "172.30.0.0/25"})

    def test_fixed_subnet_that_is_free(self):
        self.addCleanup(self.netfw, "down")
        self.up("[network]\nsubnet = 10.20.30.0/28\n")
        self.assertEqual((self.netinfo()["address"], self.netinfo()["guest-address"]), ("10.20.30.1", "10.20.30.2"))

    def test_address_without_route(self):
        """An address occupies its network even where no route says so."""
        self.net.ip(CONTAINER, "addr", "add", "10.66.0.5/24", "dev", "lo", "noprefixroute")
        self.addCleanup(self.net.ip, CONTAINER, "addr", "del", "10.66.0.5/24", "dev", "lo")
        self.refused(CONFIG, "[network]\nsubnet = 10.66.0.128/25\n", "overlaps the address 10.66.0.5/24 of device lo")

    def test_guest_address(self):
        self.refused(CONFIG, "[network]\nguest-address = 10.0.0.5\n", "[network] guest-address",
                     "10.0.0.5 is outside of the subnet 192.168.121.0/24")
        self.refused(CONFIG, "[network]\nguest-address = 192.168.121.1\n", "is the bridge's address")

    def test_no_bridge(self):
        self.refused(CONFIG, "[network]\nbridge = eth0\n", "[network] bridge",
                     'the device eth0 exists and is no bridge but of kind "veth": choose another name')

    # The configuration.

    def test_all_mistakes(self):
        """Each of them in one run, with file and line."""
        self.refused(CONFIG, "[network]\nforwards = 3389/sctp 0 80\nsubnet = 300.0.0.0/24\ncolour = blue\n",
                     'entry 1, "3389/sctp": unknown protocol "sctp"', 'entry 2, "0"', "netfw.conf:4", "netfw.conf:5",
                     "netfw.conf:6", "colour")
        self.refused(CONFIG, "[network]\nforwards = 80 70-90/tcp\n", 'entry 2, "70-90/tcp": tcp port 80')

    def test_usage(self):
        for verb in ("sideways", "", "up down"):
            with self.subTest(verb):
                self.refused(USAGE, "", "--help", verb=verb)
        self.refused(USAGE, "", "--help", options=("--colour",))

    def test_help(self):
        said = self.netfw("", options=("--help",))
        for words in ("up", "down", "show", "check", "--config FILE", "Exit codes"):
            self.assertIn(words, said)
        self.assertRegex(self.netfw("", options=("--version",)), r"^casement-netfw \d+\.\d+\.\d+\n$")

    # Privilege.

    def test_no_net_admin(self):
        for verb in ("up", "check", "down"):
            with self.subTest(verb):
                self.refused(UNAVAILABLE, "", "NET_ADMIN", "--cap-add NET_ADMIN", verb=verb, capabilities="-all")

    def test_no_net_admin_with_a_bridge(self):
        self.up()
        self.addCleanup(self.netfw, "down")
        for verb in ("up", "down"):
            self.refused(UNAVAILABLE, "", "--cap-add NET_ADMIN", verb=verb, capabilities="-all")

    def test_show_needs_no_privilege(self):
        self.assertIn("table inet casement {", self.refused(0, "", verb="show", capabilities="-all"))

    def test_run_directory(self):
        """/run is full of something else: said, with its name."""
        shutil.rmtree(self.file(""), ignore_errors=True)
        self.file("").write_text("in the way")
        self.addCleanup(self.file("").unlink)
        self.addCleanup(self.netfw, "down")
        said = self.netfw("up", code=1)
        self.assertIn("/run/casement/dnsmasq.conf cannot be written: Not a directory", said)


if __name__ == "__main__":
    unittest.main()
