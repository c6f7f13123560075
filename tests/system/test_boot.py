"""docker run boots a guest, and RDP answers through the container's address."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import harness


class BootTest(harness.SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = cls.shared()
        cls.guest.wait_ready()

    def test_rdp_answers_at_the_containers_address(self):
        with self.guest.rdp() as connection:
            harness.echo(connection)

    def test_a_handshake_that_is_none_is_told_apart(self):
        # The negative control of the handshake above: an echo is no connection confirm.
        with self.guest.connect(7) as connection:
            with self.assertRaises(AssertionError):
                harness.rdp_handshake(connection)

    def test_udp_is_forwarded(self):
        with harness.socket.socket(harness.socket.AF_INET, harness.socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.connect((self.guest.address, 3389))

            def answered():
                client.send(b"casement")
                try:
                    return client.recv(64)
                except TimeoutError:
                    return None

            self.assertTrue(harness.until("an answer to a datagram", 10, answered))

    def test_a_port_that_is_not_forwarded_stays_closed(self):
        with self.assertRaises(OSError):
            self.guest.connect(3390, timeout=3).close()

    def test_status_says_what_runs(self):
        status = self.guest.status()
        self.assertEqual(status["state"], "ready", status)
        self.assertEqual(status["guest"]["name"], "windows")
        self.assertEqual(status["guest"]["state"], "running")
        self.assertEqual(status["guest"]["rdp"], "answering")
        self.assertEqual(status["guest"]["boots"], 1)
        self.assertEqual(status["guest"]["address"], "192.168.121.68")
        self.assertEqual(self.guest.control("ip").removeprefix("ok").strip().split("/")[0], "192.168.121.68")
        services = {service["name"]: service for service in status["services"]}
        self.assertEqual(set(services), {"virtlogd", "libvirtd", "casement-netfw", "dnsmasq", "casement-image",
                                           "casement-guest"})
        for name in ("virtlogd", "libvirtd", "dnsmasq", "casement-guest"):
            self.assertEqual((services[name]["state"], services[name]["restarts"]), ("ready", 0), services[name])
        listens = {(forward["proto"], forward["listen"], forward["guest"]) for forward in status["forwards"]}
        self.assertIn(("tcp", "3389", "192.168.121.68:3389"), listens)
        self.assertIn(("udp", "3389", "192.168.121.68:3389"), listens)

    def test_status_names_qemus_process(self):
        pid = self.guest.status()["guest"]["pid"]
        qemu = self.guest.process("qemu-system-x86_64")
        inner = pathlib.Path(f"/proc/{qemu}/status").read_text(encoding="ascii", errors="replace")
        numbers = next(line.split()[1:] for line in inner.splitlines() if line.startswith("NSpid:"))
        self.assertEqual(str(pid), numbers[-1])

    def test_casementctl(self):
        self.assertEqual(json.loads(self.guest.ctl("status", "--json"))["state"], "ready")
        self.assertIn("ready", self.guest.ctl("status"))
        self.guest.ctl("health")
        self.guest.ctl("ready")
        self.assertIn("casement_", self.guest.ctl("metrics"))
        with self.assertRaises(AssertionError):
            self.guest.ctl("no-such-verb")

    def test_virsh(self):
        """What messages.md advises for a guest that somebody paused."""
        harness.docker("exec", self.guest.name, "virsh", "suspend", "windows")
        try:
            self.guest.wait_status("paused", lambda status: status["guest"]["state"] == "paused", 30)
        finally:
            harness.docker("exec", self.guest.name, "virsh", "resume", "windows")
        self.guest.wait_ready(30)
        harness.docker("exec", self.guest.name, "sh", "-c", "virsh dumpxml windows >/tmp/x && virt-xml-validate /tmp/x domain")

    def test_docker_says_healthy(self):
        harness.until("docker's health check says healthy", 60, lambda: harness.docker(
            "inspect", "-f", "{{.State.Health.Status}}", self.guest.name) == "healthy")

    def test_qemu_is_not_root(self):
        users, _ = harness.qemu_uids(self.guest.qemu)
        self.assertEqual(users, [64055] * 4)
        # The question can be answered with no, too.
        self.assertEqual(harness.qemu_uids(self.guest.process("libvirtd"))[0], [0] * 4)

    def test_pid_1_is_casement_and_nothing_is_dead_and_unburied(self):
        self.assertEqual(self.guest.process("casement"), self.guest.pid)
        namespace = os.readlink(f"/proc/{self.guest.pid}/ns/pid")

        def zombies():
            found = []
            for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(OSError):
                    state = stat.read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[0]
                    if state == "Z" and os.readlink(stat.parent / "ns/pid") == namespace:
                        found.append(stat)
            return found

        harness.until("no zombies", 30, lambda: not zombies())

    def test_a_second_casement_is_refused(self):
        before = self.guest.pid, self.guest.qemu
        done = subprocess.run(["docker", "exec", self.guest.name, "casement"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=30, text=True, check=False)
        self.assertEqual(done.returncode, 64, done)
        self.assertIn("casementctl", done.stdout + done.stderr)
        self.assertEqual((self.guest.pid, self.guest.qemu), before)
        self.guest.ctl("ready")

    def test_the_container_is_not_privileged(self):
        host = json.loads(harness.docker("inspect", self.guest.name))[0]["HostConfig"]
        self.assertFalse(host["Privileged"])
        self.assertEqual([name.removeprefix("CAP_") for name in host["CapAdd"]], ["NET_ADMIN"])


class DesktopTest(harness.SystemTest):
    """A real RDP server with a password, and a real client."""

    USER, PASSWORD = "casement", "casement"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # On a Windows' virtual hardware; read-only, as a base: no container copies it.
        cls.guest = cls.shared(disk=None, environment={"CASEMENT_GUEST_PROFILE": "windows", "CASEMENT_GUEST_MEMORY": "1G"},
                               options=("-v", f"{harness.guest_image('desktop')}:/images/windows.qcow2:ro"))
        cls.guest.wait_ready(300)
        cls.display = cls.start_display()

    @classmethod
    def start_display(cls):
        reader, writer = os.pipe()
        # pylint: disable-next=consider-using-with
        server = subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
                                  pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.terminate)
        os.close(writer)
        with os.fdopen(reader) as answer:
            return ":" + answer.readline().strip()

    def log_in(self, password):
        client = shutil.which("xfreerdp") or shutil.which("xfreerdp3")
        self.assertIsNotNone(client, "there is no xfreerdp")
        return subprocess.run([client, f"/v:{self.guest.address}:3389", "/cert:ignore", f"/u:{self.USER}", f"/p:{password}",
                               "+auth-only", "/log-level:WARN"], env={**os.environ, "DISPLAY": self.display},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              text=True, errors="replace", check=False)

    def test_the_password_opens(self):
        done = self.log_in(self.PASSWORD)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_another_password_does_not(self):
        with self.guest.rdp():
            pass
        self.assertNotEqual(self.log_in("not-" + self.PASSWORD).returncode, 0)

    def test_the_base_is_not_written_and_the_overlay_is(self):
        self.assertTrue(self.guest.disk.exists())
        backing = json.loads(harness.run("qemu-img", "info", "--output=json", "-U", str(self.guest.disk)))
        self.assertEqual(backing["backing-filename"], "/images/windows.qcow2")


if __name__ == "__main__":
    unittest.main()
