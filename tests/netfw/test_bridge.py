"""The bridge with br_netfilter on, as it is in every new namespace of a machine where Docker runs."""
import json
import pathlib
import socket
import time
import unittest

import lab
from lab import BRIDGE4, CONTAINER, CONTAINER4, CONTAINER6, GUEST, GUEST4, OUTSIDE

NEIGHBOUR, NEIGHBOUR4, NEIGHBOUR_MAC = "neighbour", "192.168.121.77", "02:00:00:00:00:77"
CONFIG = "[network]\nforwards = 3389\n"
SWITCHES = "bridge-nf-call-iptables", "bridge-nf-call-ip6tables"
# Of an Ethernet frame that nobody understands.
ETHERTYPE = 0x88B5


class Filtered(lab.Lab):
    """A container on such a machine."""

    @classmethod
    def sysctls(cls):
        super().sysctls()
        if not pathlib.Path("/proc/sys/net/bridge").is_dir():
            lab.run("modprobe", "br_netfilter")
        for switch in SWITCHES:
            cls.net.sysctl(CONTAINER, f"net.bridge.{switch}", 1)

    def port(self, name="vnet0"):
        return json.loads(self.net.ip(CONTAINER, "-d", "-j", "link", "show", name))[0]["linkinfo"]["info_slave_data"]


class BridgeNetfilter(Filtered):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net.add(NEIGHBOUR)

    def setUp(self):
        self.keeper = self.keep(CONFIG)
        self.addCleanup(self.netfw, "down")
        self.addCleanup(lambda: self.keeper.process.poll() is None and self.keeper.stop())
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")
        self.plug6()

    def plug_neighbour(self):
        self.plug(NEIGHBOUR, "n0", "vnet1", f"{NEIGHBOUR4}/24", NEIGHBOUR_MAC)
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet1", check=False)

    def until_hairpin(self, on, name="vnet0"):
        return lab.until(f"hairpin of {name} is {on}", lambda: self.port(name)["hairpin"] == on and self.port(name))

    def frame_socket(self, name, device):
        with self.net.inside(name):
            made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETHERTYPE))
            made.bind((device, ETHERTYPE))
        self.addCleanup(made.close)
        return made

    def hears(self, receiver, sender, text):
        """Does a broadcast of @sender, a socket, arrive at @receiver?"""
        device = sender.getsockname()[0]
        sender.sendto(text, (device, ETHERTYPE, 0, 0, b"\xff" * 6))
        receiver.settimeout(0.3)
        deadline = time.monotonic() + (lab.NEVER if receiver is sender else lab.SOON)
        while time.monotonic() < deadline:
            try:
                heard, address = receiver.recvfrom(2000)
            except TimeoutError:
                continue
            if heard.startswith(text) and address[2] != socket.PACKET_OUTGOING:
                return True
        return False

    def test_forward(self):
        self.serve(GUEST, "0.0.0.0", 3389)
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))

    def test_hairpin(self):
        """A frame goes back to the port that it came from only in hairpin mode, which the port gets when it comes."""
        self.until_hairpin(True)
        self.serve(GUEST, "0.0.0.0", 3389)
        self.serve(GUEST, "::", 3389)
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER4, 3389), (GUEST, 3389, BRIDGE4))
        self.assertEqual(self.ask_tcp(GUEST, CONTAINER6, 3389)[:2], (GUEST, 3389))
        self.assertEqual(self.ask_tcp(CONTAINER, "127.0.0.1", 3389), (GUEST, 3389, BRIDGE4))
        # And is counted, each way once.
        server = self.serve(GUEST, "0.0.0.0", 3389, socket.SOCK_DGRAM)
        self.ask_udp(GUEST, CONTAINER4, 3389)
        server.close()
        self.assertEqual(self.packets("original", "udp", 3389), (1, 29))
        self.assertEqual(self.packets("reply", "udp", 3389)[0], 1)
        # It is this mode that does it.
        self.net.exec(CONTAINER, "bridge", "link", "set", "dev", "vnet0", "hairpin", "off")
        self.until_hairpin(True)
        self.keeper.stop()
        self.net.exec(CONTAINER, "bridge", "link", "set", "dev", "vnet0", "hairpin", "off")
        self.assert_silent(self.ask_tcp, GUEST, CONTAINER4, 3389)

    def test_no_echo(self):
        """The guest does not hear its own broadcasts, by which it would take its address for somebody else's."""
        self.until_hairpin(True)
        guest, bridge = self.frame_socket(GUEST, "g0"), self.frame_socket(CONTAINER, "virbr1")
        self.assertTrue(self.hears(bridge, guest, b"to the bridge"))
        self.assertTrue(self.hears(guest, bridge, b"to the guest"))
        self.assertFalse(self.hears(guest, guest, b"echo"))
        # Which it would in that mode alone.
        self.keeper.stop()
        self.net.exec(CONTAINER, "bridge", "link", "set", "dev", "vnet0", "bcast_flood", "on")
        self.assertTrue(self.hears(guest, guest, b"echo"))

    def test_restarted(self):
        """A port that was plugged in while nobody looked."""
        self.until_hairpin(True)
        self.keeper.stop()
        self.net.exec(CONTAINER, "bridge", "link", "set", "dev", "vnet0", "hairpin", "off")
        self.up(CONFIG)
        self.assertTrue(self.port()["hairpin"])

    def test_neighbours_on_the_bridge(self):
        """Their frames go through the forward hook; the drop at the end of to_guest is not for them."""
        self.until_hairpin(True)
        self.plug_neighbour()
        self.until_hairpin(False)
        self.serve(GUEST, "0.0.0.0", 8080)
        self.assertEqual(self.ask_tcp(NEIGHBOUR, GUEST4, 8080), (GUEST, 8080, NEIGHBOUR4))
        guest, neighbour = self.frame_socket(GUEST, "g0"), self.frame_socket(NEIGHBOUR, "n0")
        self.assertTrue(self.hears(guest, neighbour, b"neighbour"))
        # Alone again.
        self.net.ip(CONTAINER, "link", "set", "vnet1", "nomaster")
        self.until_hairpin(True)
        self.net.ip(CONTAINER, "link", "set", "vnet1", "master", "virbr1")
        self.until_hairpin(False)
        self.keeper.stop()
        handle = next(line.split()[-1] for line in self.net.exec(
            CONTAINER, "nft", "-a", "list", "chain", "inet", "casement", "to_guest").splitlines()
            if "iifname" in line and "accept" in line)
        self.net.exec(CONTAINER, "nft", "delete", "rule", "inet", "casement", "to_guest", "handle", handle)
        self.assert_silent(self.ask_tcp, NEIGHBOUR, GUEST4, 8080)

    def test_others_ports(self):
        """What somebody has set at one of several ports is left alone."""
        self.until_hairpin(True)
        self.plug_neighbour()
        self.until_hairpin(False)
        self.keeper.stop()
        self.net.exec(CONTAINER, "bridge", "link", "set", "dev", "vnet1", "hairpin", "on")
        self.up(CONFIG)
        self.assertTrue(self.port("vnet1")["hairpin"])
        self.assertFalse(self.port("vnet0")["hairpin"])


class Adopted(Filtered):
    """The ports of a bridge that somebody else made are his."""

    def test_left_alone(self):
        self.net.ip(CONTAINER, "link", "add", "virbr1", "type", "bridge")
        self.net.ip(CONTAINER, "addr", "add", f"{BRIDGE4}/24", "dev", "virbr1")
        self.plug()
        self.up(CONFIG)
        self.assertFalse(self.port()["hairpin"])


class Switches(Filtered):
    """Either switch is reason enough; without both the way back is routed, and no port needs anything."""

    def test_switches(self):
        self.up(CONFIG)
        for values in ((0, 0), (1, 0), (0, 1)):
            with self.subTest(values):
                for switch, value in zip(SWITCHES, values):
                    self.net.sysctl(CONTAINER, f"net.bridge.{switch}", value)
                self.plug()
                self.up(CONFIG)
                self.assertEqual(self.port()["hairpin"], any(values))
                self.net.ip(CONTAINER, "link", "del", "vnet0")


if __name__ == "__main__":
    unittest.main()
