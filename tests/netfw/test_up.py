"""`up` and `down`: what they make, what they leave alone, and that doing it again changes nothing."""
import json
import os
import socket
import struct
import unittest

import lab
from lab import BRIDGE4, CONTAINER, CONTAINER4, GUEST, OUTSIDE

CONFIG = "[network]\nforwards = 3389/tcp 3390/tcp\n"
NETLINK_NETFILTER = 12


class Up(lab.Lab):
    def setUp(self):
        self.addCleanup(self.netfw, "down", CONFIG)

    def link(self, device="virbr1"):
        return json.loads(self.net.ip(CONTAINER, "-d", "-j", "link", "show", device))[0]

    def addresses(self, device="virbr1"):
        found = json.loads(self.net.ip(CONTAINER, "-j", "addr", "show", device))[0]["addr_info"]
        return sorted(f"{a['local']}/{a['prefixlen']}" for a in found if a["scope"] == "global")

    def switch(self, device, name):
        return self.net.exec(CONTAINER, "cat", f"/proc/sys/net/ipv4/conf/{device}/{name}").strip()

    def test_bridge(self):
        said = self.up(CONFIG)
        link = self.link()
        self.assertEqual(link["linkinfo"]["info_kind"], "bridge")
        self.assertEqual(link["linkinfo"]["info_data"]["stp_state"], 0)
        self.assertEqual(link["linkinfo"]["info_data"]["forward_delay"], 0)
        self.assertEqual(link["address"], "52:54:00:12:34:d6")
        self.assertEqual(link["mtu"], 1500)
        self.assertIn("UP", link["flags"])
        self.assertEqual(len(self.addresses()), 2)
        self.assertIn("192.168.121.1/24", self.addresses())
        self.assertIn("bridge virbr1 has 192.168.121.1/24, the guest 192.168.121.68, MTU 1500, 2 forwards", said)
        self.assertNotIn("warning", said)

    def test_mac_stays(self):
        """A bridge takes the lowest MAC of its ports, unless it was given one."""
        self.up(CONFIG)
        before = self.link()["address"]
        self.plug(port="vnet0", mac="02:00:00:00:00:01", address=None)
        self.net.ip(CONTAINER, "link", "set", "vnet0", "address", "02:00:00:00:00:02")
        self.assertEqual(self.link()["address"], before)
        self.net.ip(CONTAINER, "link", "del", "vnet0")

    def test_forwarding(self):
        """Off everywhere before; on where it is needed afterwards, and the namespace's own switch untouched."""
        for device in ("eth0", "lo"):
            self.net.sysctl(CONTAINER, f"net.ipv4.conf.{device}.forwarding", 0)
        self.up(CONFIG)
        self.assertEqual(self.switch("eth0", "forwarding"), "1")
        self.assertEqual(self.switch("virbr1", "forwarding"), "1")
        self.assertEqual(self.switch("virbr1", "route_localnet"), "1")
        for device, name in (("lo", "forwarding"), ("all", "forwarding"), ("default", "forwarding"),
                             ("eth0", "route_localnet"), ("all", "route_localnet")):
            self.assertEqual(self.switch(device, name), "0", f"{device} {name}")

    def test_files(self):
        self.up(CONFIG)
        info = self.netinfo()
        self.assertEqual((info["bridge"], info["address"], info["prefix"], info["guest-address"], info["mtu"]),
                         ("virbr1", BRIDGE4, "24", "192.168.121.68", "1500"))
        self.assertEqual(sorted(path.name for path in self.file("").iterdir()), ["dnsmasq.conf", "netfw.lock", "network.conf"])
        self.assertEqual(self.file("").stat().st_mode & 0o7777, 0o755)

    def test_mtu(self):
        self.net.ip(CONTAINER, "link", "set", "eth0", "mtu", "1400")
        self.addCleanup(self.net.ip, CONTAINER, "link", "set", "eth0", "mtu", "1500")
        self.up(CONFIG)
        self.assertEqual(self.link()["mtu"], 1400)
        self.assertEqual(self.netinfo()["mtu"], "1400")
        # A port of another size does not change it.
        self.plug(address=None)
        self.assertEqual(self.link()["mtu"], 1400)
        self.net.ip(CONTAINER, "link", "del", "vnet0")

    def test_notification(self):
        """PID 1 is told the address, and gets a table of the forwards."""
        listener = lab.Listener(os.path.join(self.run_directory, "notify"))
        self.addCleanup(listener.close)
        said = self.up(CONFIG, environment={"NOTIFY_SOCKET": "/run/notify"})
        fields = listener.until("STATUS")
        self.assertEqual(fields["X_CASEMENT_GUEST_ADDRESS"], "192.168.121.68")
        self.assertIn("virbr1 has 192.168.121.1/24", fields["STATUS"])
        self.assertEqual(listener.table(), ({("tcp", 3389, 3389, 3389, False): (0, 0, 0, 0),
                                             ("tcp", 3390, 3390, 3390, False): (0, 0, 0, 0)}, 0))
        # For PID 1 a line begins with its level.
        self.assertTrue(said.startswith("<6>bridge virbr1"), said)

    def test_twice(self):
        """The second time the kernel is asked and not told: its ruleset has the same generation."""
        config = "[network]\nforwards = 3389, 13389:3389/tcp, 40000-40010/tcp, 5000-5002:6000-6002/udp, all/udp\nkeep = 9\n"
        for source in ("masquerade", "preserve"):
            with self.subTest(source):
                self.up(f"{config}source = {source}\n")
                before = self.generation()
                self.up(f"{config}source = {source}\n")
                self.assertEqual(self.generation(), before)

    def generation(self):
        """Number of the ruleset's state: NFT_MSG_GETGEN and its NFTA_GEN_ID."""
        with self.net.inside(CONTAINER):
            netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        with netlink:
            netlink.send(struct.pack("=IHHIIBBH", 20, 10 << 8 | 16, 1, 1, 0, 0, 0, 0))
            data = netlink.recv(4096)
        return struct.unpack(">I", data[24:28])[0]

    def test_again(self):
        """Twenty times in a row under a busy connection: the same bridge, the same rules, no error, no pause."""
        self.up(CONFIG)
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")
        self.serve(GUEST, "0.0.0.0", 3389)
        index, addresses, table = self.link()["ifindex"], self.addresses(), self.table()
        with self.net.socket(OUTSIDE, CONTAINER4) as client:
            client.connect((CONTAINER4, 3389))
            stream = client.makefile("rb")
            stream.readline()
            for i in range(20):
                self.up(CONFIG)
                client.sendall(b"%d\n" % i)
                self.assertEqual(stream.readline(), b"%d\n" % i)
        self.assertEqual((self.link()["ifindex"], self.addresses(), self.table()), (index, addresses, table))

    def test_changed(self):
        """A forward goes, another comes; a connection through a third one does not notice."""
        self.up(CONFIG)
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")
        for port in (3389, 3390, 3391):
            self.serve(GUEST, "0.0.0.0", port)
        with self.net.socket(OUTSIDE, CONTAINER4) as client:
            client.connect((CONTAINER4, 3389))
            stream = client.makefile("rb")
            stream.readline()
            self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3390)[0], GUEST)
            with self.assertRaises(ConnectionRefusedError):
                self.ask_tcp(OUTSIDE, CONTAINER4, 3391)
            self.up("[network]\nforwards = 3389/tcp 3391/tcp\n")
            self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3391)[0], GUEST)
            with self.assertRaises(ConnectionRefusedError):
                self.ask_tcp(OUTSIDE, CONTAINER4, 3390)
            client.sendall(b"still here\n")
            self.assertEqual(stream.readline(), b"still here\n")

    def test_tampered(self):
        """Whatever the table has become, `up` makes it right."""
        self.up(CONFIG)
        table = self.table()
        self.net.exec(CONTAINER, "nft", "flush table inet casement; add chain inet casement intruder; "
                      "add rule inet casement intruder drop; delete map inet casement fwd6")
        self.assertNotEqual(self.table(), table)
        self.up(CONFIG)
        self.assertEqual(self.table(), table)

    def test_repaired_bridge(self):
        """Down, without its address, with another one: made right, and not made anew."""
        self.up(CONFIG)
        index, addresses = self.link()["ifindex"], self.addresses()
        self.net.ip(CONTAINER, "addr", "flush", "dev", "virbr1")
        self.net.ip(CONTAINER, "addr", "add", "192.168.121.200/26", "dev", "virbr1")
        self.net.ip(CONTAINER, "link", "set", "virbr1", "down", "mtu", "1280")
        self.up(CONFIG)
        self.assertEqual((self.link()["ifindex"], self.addresses()), (index, addresses))
        self.assertIn("UP", self.link()["flags"])
        self.assertEqual(self.link()["mtu"], 1500)

    def test_down(self):
        """Nothing of ours stays, everything of others does."""
        self.net.exec(CONTAINER, "nft", "add table inet other; add chain inet other c; add table ip casement")
        self.addCleanup(self.net.exec, CONTAINER, "nft", "delete table inet other; delete table ip casement")
        self.net.ip(CONTAINER, "link", "add", "virbr0", "type", "bridge")
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "virbr0")
        before = self.net.exec(CONTAINER, "nft", "list", "ruleset"), self.net.ip(CONTAINER, "-br", "link")
        self.up(CONFIG)
        self.assertNotEqual(self.net.exec(CONTAINER, "nft", "list", "ruleset"), before[0])
        self.assertEqual(self.netfw("down", CONFIG), "")
        after = self.net.exec(CONTAINER, "nft", "list", "ruleset"), self.net.ip(CONTAINER, "-br", "link")
        self.assertEqual(after, before)
        self.assertEqual([path.name for path in self.file("").iterdir()], ["netfw.lock"])
        # Nothing to remove is no mistake.
        self.assertEqual(self.netfw("down", CONFIG), "")

    def test_adopted_bridge(self):
        """A bridge that somebody else made is used as it is and stays."""
        self.net.ip(CONTAINER, "link", "add", "virbr1", "type", "bridge")
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "virbr1")
        for address in ("10.55.0.1/24", "10.56.0.1/24"):
            self.net.ip(CONTAINER, "addr", "add", address, "dev", "virbr1")
        index = self.link()["ifindex"]
        self.up(CONFIG)
        self.assertEqual(self.netinfo()["guest-address"], "10.55.0.68")
        self.netfw("down", CONFIG)
        self.assertEqual(self.link()["ifindex"], index)
        for address in ("10.55.0.1/24", "10.56.0.1/24"):
            self.assertIn(address, self.addresses())


class Check(lab.Lab):
    def test_changes_nothing(self):
        before = self.net.ip(CONTAINER, "-br", "addr")
        said = self.netfw("check", CONFIG)
        self.assertIn("the guest 192.168.121.68", said)
        self.assertEqual(self.net.exec(CONTAINER, "nft", "list", "ruleset"), "")
        self.assertEqual(self.net.ip(CONTAINER, "-br", "addr"), before)
        self.assertFalse(self.file("").exists())


class WithoutIPv6(lab.Lab):
    ipv6 = False

    def test_none(self):
        said = self.up(CONFIG)
        self.addCleanup(self.netfw, "down", CONFIG)
        self.assertNotIn("warning", said)
        self.assertNotIn("address6", self.netinfo())
        self.assertNotIn("fwd6", self.table())


class WithIPv6(lab.Lab):
    def tearDown(self):
        self.netfw("down", CONFIG)

    def test_no_forwarding(self):
        """One warning with the remedy; the container itself reaches the guest, and the guest is not told to route."""
        self.net.sysctl(CONTAINER, "net.ipv6.conf.all.forwarding", 0)
        self.addCleanup(self.net.sysctl, CONTAINER, "net.ipv6.conf.all.forwarding", 1)
        said = self.up(CONFIG)
        self.assertEqual(said.count("warning"), 1)
        self.assertIn("--sysctl net.ipv6.conf.all.forwarding=1", said)
        self.assertIn("ra-param=virbr1,60,0\n", self.file("dnsmasq.conf").read_text())
        self.plug(address=None)
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")
        self.plug6()
        self.serve(GUEST, "::", 3389)
        self.assertEqual(self.ask_tcp(CONTAINER, lab.CONTAINER6, 3389)[0], GUEST)

    def test_disabled_on_new_devices(self):
        self.net.sysctl(CONTAINER, "net.ipv6.conf.default.disable_ipv6", 1)
        self.addCleanup(self.net.sysctl, CONTAINER, "net.ipv6.conf.default.disable_ipv6", 0)
        said = self.up(CONFIG)
        self.assertEqual(said.count("warning"), 1)
        self.assertIn("--sysctl net.ipv6.conf.default.disable_ipv6=0", said)
        self.assertNotIn("address6", self.netinfo())

    def test_not_wanted(self):
        said = self.up(CONFIG + "ipv6 = no\n")
        self.assertNotIn("warning", said)
        self.assertNotIn("address6", self.netinfo())


if __name__ == "__main__":
    unittest.main()
