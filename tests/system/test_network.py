"""The guest's network while it runs: other forwards on SIGHUP, rules that somebody flushed, counters, every port."""
import json
import re
import subprocess
import unittest

import harness

DROPIN = "[network]\nforwards = {}\n"


class NetworkTest(harness.SystemTest):
    """One container, whose forwards come from a drop-in that the test rewrites."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = cls.shared(environment={"CASEMENT_NETWORK_FORWARDS": None})
        cls.guest.wait_ready()

    def setUp(self):
        self.assertEqual(self.reload("3389 7/tcp 9/tcp"), "ok")

    def configure(self, forwards):
        subprocess.run(["docker", "exec", "-i", self.guest.name, "sh", "-c",
                        "mkdir -p /etc/casement/conf.d && cat >/etc/casement/conf.d/network.conf"],
                       input=DROPIN.format(forwards), text=True, timeout=60, check=True)

    def reloads(self):
        """How many there were, by their result."""
        with self.guest.status_socket() as connection:
            connection.sendall(b"metrics\n")
            return re.findall(rb"^casement_reloads_total.*$", harness.read_all(connection), re.M)

    def reload(self, forwards):
        """SIGHUP as an operator sends it; what became of it."""
        self.configure(forwards)
        before = self.reloads()
        harness.docker("kill", "--signal", "HUP", self.guest.name)
        harness.until("the reload is answered", 60, lambda: self.reloads() != before)
        return self.guest.status()["reload"]["result"]

    def forwards(self):
        return {(forward["listen"], forward["proto"]): forward for forward in self.guest.status()["forwards"]}

    def test_reload(self):
        """A forward comes and one goes while a connection through a third one is open; the guest does not notice."""
        qemu = self.guest.qemu
        with self.guest.connect(7) as connection:
            harness.echo(connection)
            with self.assertRaises(OSError):
                self.guest.connect(8007, timeout=3).close()
            self.assertEqual(self.reload("3389 7/tcp 8007:7/tcp"), "ok")
            with self.guest.connect(8007) as other:
                harness.echo(other)
            with self.assertRaises(OSError):
                self.guest.connect(9, timeout=3).close()
            harness.echo(connection)
        self.assertEqual(set(self.forwards()), {("3389", "tcp"), ("3389", "udp"), ("7", "tcp"), ("8007", "tcp")})
        self.assertEqual(self.guest.qemu, qemu)
        self.assertEqual(self.guest.status()["state"], "ready")

    def test_bad_configuration(self):
        """It changes nothing, and log and status say why."""
        before = set(self.forwards())
        self.assertEqual(self.reload("3389 7/tcp 9/tcp 8007:70000/tcp 0"), "failed")
        status = self.guest.status()
        self.assertIn('entry 4, "8007:70000/tcp"', status["reload"]["reason"])
        self.assertEqual(status["state"], "ready")
        self.assertEqual(set(self.forwards()), before)
        log = self.guest.logs()
        self.assertIn('entry 5, "0"', log)
        with self.guest.connect(7) as connection:
            harness.echo(connection)
        self.guest.ctl("health")

    def test_flush(self):
        """`nft flush ruleset` in the container's network: the forwards are back, and it is counted."""
        repairs = self.guest.status()["network"]["repairs"]
        harness.run("nsenter", "-t", str(self.guest.pid), "-n", "nft", "flush ruleset")
        harness.until("the repair is counted", 20, lambda: self.guest.status()["network"]["repairs"] == repairs + 1)
        with self.guest.connect(7) as connection:
            harness.echo(connection)
        self.assertIn("somebody has changed the rules", self.guest.logs())

    def test_counters(self):
        """What goes through a forward is in status and metrics."""
        before = self.forwards()["7", "tcp"]
        with self.guest.connect(7) as connection:
            harness.echo(connection, b"x" * 10000)

        def counted():
            now = self.forwards()["7", "tcp"]
            return now["bytes_in"] - before["bytes_in"] > 10000 and now["bytes_out"] - before["bytes_out"] > 10000
        harness.until("the bytes are counted", 20, counted)
        self.assertRegex(self.guest.ctl("metrics"),
                         r'(?m)^casement_forward_bytes_total\{proto="tcp",listen="7",direction="in"\} [1-9]\d{4,}$')
        self.assertRegex(self.guest.ctl("status"), r"7/tcp -> 192\.168\.121\.68:7 +in +[\d.k]+ pkts")

    def test_hairpin(self):
        """Where br_netfilter is on, the tap that libvirt plugged in got hairpin mode: tests/netfw/test_bridge.py says why."""
        inside = ("nsenter", "-t", str(self.guest.pid), "-n")
        ports = json.loads(harness.run(*inside, "ip", "-d", "-j", "link", "show", "master", "virbr1"))
        switches = harness.docker("exec", self.guest.name, "sh", "-c",
                                  "cat /proc/sys/net/bridge/bridge-nf-call-ip*tables || echo 0")
        filtered = "1" in switches.split()
        self.assertEqual([port["linkinfo"]["info_slave_data"]["hairpin"] for port in ports], [filtered])

    def test_all(self):
        """Every port of the container is the guest's."""
        self.assertEqual(self.reload("all"), "ok")
        with self.guest.connect(7) as connection:
            harness.echo(connection)
        with self.guest.rdp() as connection:
            harness.echo(connection)
        self.assertEqual({forward["listen"] for forward in self.guest.status()["forwards"]}, {"all"})

    def test_killed(self):
        """casement-netfw dies: it is started again, and a connection through a forward does not notice."""
        with self.guest.connect(7) as connection:
            harness.echo(connection)
            subprocess.run(["kill", "-9", str(self.guest.process("casement-netfw"))], check=True)

            def back(status):
                service = next(s for s in status["services"] if s["name"] == "casement-netfw")
                return service["restarts"] > 0 and service["state"] == "ready"
            self.guest.wait_status("casement-netfw is back", back, 20)
            harness.echo(connection)
        self.guest.wait_ready(20)


if __name__ == "__main__":
    unittest.main()
