"""The status socket: answers, clients of every kind, and bounded memory whatever they do."""
import json
import os
import resource
import select
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

from harness import (CASEMENTCTL, PATIENCE, Case, Watch, read_all, release, script, service_in, state_of, status_field,
                     wait_until)

MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")
GUEST = script("m", "trap 15 0 0 guest 0 pause -- notify "
               "READY=1|X_CASEMENT_GUEST_ADDRESS=192.168.121.68|X_CASEMENT_RDP=answering|X_CASEMENT_BOOTS=1|STATUS=fine pause",
               type="notify", main="yes")
UNKNOWN = "fail unknown verb: use status, health, ready, watch, metrics or freeze\n"


class Answers(Case):
    """What is said to whom."""

    def test_status(self):
        pid1 = self.start([GUEST, script("a", "exit 3", restart="no")])
        pid1.wait_state("m", "ready")
        pid1.wait_state("a", "failed")
        status = pid1.status()
        for name, kind in (("version", str), ("state", str), ("reason", str), ("since_ms", int), ("uptime_ms", int),
                           ("guest", dict), ("forwards", list), ("services", list), ("reaped", int)):
            self.assertIsInstance(status[name], kind, name)
        self.assertEqual(status["guest"] | {"since_ms": 0, "pid": 0},
                         {"name": "windows", "state": "running", "reason": "", "address": "192.168.121.68", "pid": 0,
                          "rdp": "answering", "boots": 1, "since_ms": 0, "rdp_latency_us": 0, "stop_phase": "none",
                          "probe": "rdp", "probe_state": "answering", "start": "unknown", "start_reason": "", "cpu": "",
                          "freeze": "none", "freeze_reason": "", "frozen": ""})
        # Those that are configured are shown once somebody says that they are in force: test_network.py.
        self.assertEqual((status["forwards"], status["network"], status["reload"]["result"]), ([], {"repairs": 0}, "none"))
        self.assertEqual([(entry["name"], entry["state"], entry["status"]) for entry in status["services"]],
                         [("m", "ready", "fine"), ("a", "failed", "")])
        self.assertEqual((status["state"], status["reason"]), ("degraded", "a is failed: exited with 3"))
        pid1.stop()

    def test_verbs(self):
        pid1 = self.start(GUEST)
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.ask("health"), "ok\n")
        self.assertEqual(pid1.ask("ready"), "ok\n")
        self.assertEqual(json.loads(pid1.ask(""))["state"], "ready")
        self.assertEqual(pid1.ask("nonsense"), UNKNOWN)
        metrics = pid1.ask("metrics")
        self.assertIn('\ncasement_guest_state{state="running"} 1\n', metrics)
        self.assertIn('\ncasement_service_up{service="m"} 1\n', metrics)
        pid1.stop()

    def test_metrics(self):
        """Prometheus' own checker takes them, with a guest, forwards, services that fail, and before anything is there."""
        for config in (MAIN, [GUEST, script("a", "exit 3", restart="no"), script("b", "exit 3", backoff="1h")]):
            pid1 = self.start(config)
            pid1.wait_state("m", "ready")
            text = pid1.ask("metrics")
            pid1.stop()
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60,
                                  check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        # It would say so.
        done = subprocess.run(["promtool", "check", "metrics"], input=text + "no metric{\n", capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_states_of_a_life(self):
        """A watcher sees every state that a container goes through, and the end."""
        fifo, second = self.fifo(), self.fifo()
        pid1 = self.start(script("m", f"trap 15 50 0 await {fifo} notify X_CASEMENT_GUEST_STATE=booting ready notify "
                                 f"X_CASEMENT_GUEST_STATE=running await {second} notify X_CASEMENT_RDP=answering pause",
                                 type="notify", main="yes"))
        watch = Watch(pid1)
        seen = []
        watch.until(lambda status: seen.append((status["state"], status["reason"])) or status["state"] == "starting")
        release(fifo)
        # Not by time: of what is said while PID 1 has no processor it tells the last.
        watch.until(lambda status: seen.append((status["state"], status["reason"])) or status["state"] == "running")
        release(second)
        watch.until(lambda status: seen.append((status["state"], status["reason"])) or status["state"] == "ready")
        pid1.kill(signal.SIGTERM)
        watch.until(lambda status: seen.append((status["state"], status["reason"])) or status["state"] == "stopped")
        states = [state for i, (state, _) in enumerate(seen) if i == 0 or seen[i - 1][0] != state]
        self.assertEqual(states, ["starting", "running", "ready", "stopping", "stopped"], seen)
        self.assertIn(("running", "the guest does not answer RDP yet"), seen)
        self.assertEqual(pid1.wait(), 0)

    def test_a_guest_without_rdp(self):
        """What shows that it is ready is another thing, and has words of its own."""
        first, second = self.fifo(), self.fifo()
        pid1 = self.start(script("m", "trap 15 0 0 ready notify X_CASEMENT_GUEST_STATE=running|X_CASEMENT_PROBE=tcp:22 "
                                 f"await {first} notify X_CASEMENT_PROBE_STATE=answering await {second} "
                                 "notify X_CASEMENT_PROBE_STATE=closed pause", type="notify", main="yes"))
        watch = Watch(pid1)
        waits = watch.until(lambda status: status["guest"]["probe"] == "tcp:22")
        self.assertEqual((waits["state"], waits["reason"]), ("running", "the guest does not answer on TCP port 22 yet"))
        self.assertEqual(pid1.ask("health"), "ok\n")
        release(first)
        answers = watch.until(lambda status: status["state"] == "ready")
        self.assertEqual((answers["guest"]["rdp"], answers["guest"]["probe_state"]), ("unknown", "answering"))
        self.assertIn('casement_probe_state{probe="tcp:22",state="answering"} 1\n', pid1.ask("metrics"))
        release(second)
        watch.until(lambda status: status["state"] == "degraded")
        self.assertEqual(pid1.ask("health"), "fail the guest stopped answering on TCP port 22\n")
        pid1.stop()

    def test_all_that_was_said(self):
        """Who asks in the moment in which a service becomes ready is not told of a state in which it is not."""
        first, second = self.fifo(), self.fifo()
        pid1 = self.start(script("m", f"await {first} ready await {second} pause", type="notify"))
        pid1.wait_state("m", "starting")
        with pid1.connect() as client:
            pid1.ask("health")  # so the one before it is accepted by now
            pid1.kill(signal.SIGSTOP)
            wait_until(lambda: state_of(pid1.pid) == "T", "stopped")
            release(first)
            release(second)  # it has said that it is ready
            client.sendall(b"status\n")
            pid1.kill(signal.SIGCONT)
            status = json.loads(read_all(client))
        self.assertEqual((service_in(status, "m")["state"], status["state"]), ("ready", "ready"))
        pid1.stop()

    def test_mode(self):
        pid1 = self.start(MAIN)
        pid1.wait_state("m", "ready")
        self.assertEqual(stat.S_IMODE(os.stat(pid1.path("/run/casement/status.sock")).st_mode), 0o660)
        pid1.stop()


class Clients(Case):
    """Whatever clients do, the others are served."""

    def setUp(self):
        self.pid1 = self.start(MAIN)
        self.pid1.wait_state("m", "ready")

    def assertServes(self):
        self.assertEqual(self.pid1.ask("health"), "ok\n")

    def test_partial_line(self):
        with self.pid1.connect() as half, self.pid1.connect() as none:
            half.sendall(b"heal")
            self.assertServes()
            # Who does not finish gets the status after a second, as who says nothing does.
            self.assertEqual(json.loads(read_all(half))["state"], "ready")
            self.assertEqual(json.loads(read_all(none))["state"], "ready")

    def test_pieces(self):
        def asked():
            """Whether that was within the second after which whoever has not finished gets the status."""
            begin = time.monotonic()
            with self.pid1.connect() as client:
                for piece in (b"hea", b"lth", b"\n"):
                    client.sendall(piece)
                    self.assertServes()
                answer = read_all(client)
            if time.monotonic() - begin < 0.9:
                self.assertEqual(answer, b"ok\n")
                return True
            return False

        wait_until(asked, "asked in a second")

    def test_megabyte_line(self):
        before = status_field(self.pid1.pid, "VmRSS")
        for _ in range(20):
            with self.pid1.connect() as client:
                try:
                    client.sendall(b"x" * (1 << 20))
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.assertEqual(read_all(client).decode(), UNKNOWN)
            self.assertServes()
        self.assertLess(status_field(self.pid1.pid, "VmRSS") - before, 400)

    def test_idle_clients(self):
        before = self.pid1.fds()
        clients = [self.pid1.connect() for _ in range(200)]
        self.assertServes()
        for client in clients:
            self.assertEqual(json.loads(read_all(client))["state"], "ready")
            client.close()
        self.pid1.no_more_fds_than(before)

    def test_thousand_clients(self):
        """1,024 watchers at once: each gets its lines, one more is told why not, and memory stays bounded."""
        self.many_files()
        pid1 = self.start(MAIN)
        pid1.wait_state("m", "ready")
        memory = status_field(pid1.pid, "VmRSS")
        clients = [pid1.connect() for _ in range(1024)]
        for client in clients:
            client.sendall(b"watch\n")
        lines = [client.makefile() for client in clients]
        for stream in lines:
            self.assertEqual(json.loads(stream.readline())["state"], "ready")
        self.assertEqual(read_all(pid1.connect()), b"fail too many clients\n")
        # Places in a fixed table and one buffer for all.
        self.assertLess(status_field(pid1.pid, "VmRSS") - memory, 512)
        pid1.kill(signal.SIGTERM)
        for stream in lines:
            self.assertEqual(json.loads(stream.readline())["state"], "stopping")
        for stream, client in zip(lines, clients):
            stream.close()
            client.close()
        self.assertEqual(pid1.wait(), 0)

    def test_gone_in_mid_answer(self):
        before = self.pid1.fds()
        for verb in (b"", b"sta", b"status\n", b"watch\n", b"metrics\n"):
            for _ in range(50):
                client = self.pid1.connect()
                client.sendall(verb)
                client.close()
        self.assertServes()
        self.pid1.no_more_fds_than(before)

    def test_reset(self):
        """A client that goes without having read its answer."""
        for _ in range(20):
            client = self.pid1.connect()
            client.sendall(b"watch\n")
            select.select([client], [], [], PATIENCE)
            client.close()
            self.assertServes()

    def test_watchers_in_the_end(self):
        """They are told the last state and let go; they do not hold up the end."""
        watches = [Watch(self.pid1) for _ in range(50)]
        for watch in watches:
            watch.next(time.monotonic() + PATIENCE)
        self.pid1.kill(signal.SIGTERM)
        for watch in watches:
            self.assertEqual(watch.until(lambda status: status["state"] == "stopped")["state"], "stopped")
            watch.close()
        self.assertEqual(self.pid1.wait(), 0)


class SlowReaders(Case):
    """A watcher that does not read costs nothing and misses no more than it could not take."""

    def test_slow_watcher(self):
        pid1 = self.start([MAIN, script("s", "sleep 1 exit 1", backoff="1ms", backoff_max="1ms", restart_limit=0)])
        pid1.wait_state("m", "ready")
        slow, quick = Watch(pid1), Watch(pid1)
        before = status_field(pid1.pid, "VmRSS")
        for restarts in range(100, 700, 100):  # each has its time
            status = quick.until(lambda status, n=restarts: service_in(status, "s")["restarts"] > n)
        self.assertLess(status_field(pid1.pid, "VmRSS") - before, 400)
        # Whole lines, in order, up to the present.
        seen = [service_in(slow.next(time.monotonic() + PATIENCE), "s")["restarts"] for _ in range(100)]
        self.assertEqual(seen, sorted(seen))
        reached = slow.until(lambda later: service_in(later, "s")["restarts"] >= service_in(status, "s")["restarts"])
        self.assertGreaterEqual(service_in(reached, "s")["restarts"], 600)
        self.assertEqual(pid1.stop(), 0)


class Limits(Case):
    """Few descriptors: clients do not take those that services need, nor keep PID 1 awake."""

    def test_few_descriptors(self):
        pid1 = self.start([MAIN, script("s", "ready pause", type="notify", backoff="1ms")],
                          stage=["limit", resource.RLIMIT_NOFILE, 64])
        pid1.wait_state("m", "ready")
        watches = [Watch(pid1) for _ in range(32)]
        for watch in watches:
            watch.next(time.monotonic() + PATIENCE)
        with pid1.connect() as refused:
            self.assertEqual(read_all(refused), b"fail too many clients\n")
        watches.pop().close()
        # One that has gone makes room for one, in its own time; and the services are as alive as ever.
        wait_until(lambda: pid1.ask("health") == "ok\n", "served again")
        pid1.kill_service("s")
        watches[0].until(lambda status: service_in(status, "s")["restarts"] == 1 and
                         service_in(status, "s")["state"] == "ready")
        before = status_field(pid1.pid, "voluntary_ctxt_switches")
        time.sleep(0.5)
        self.assertLess(status_field(pid1.pid, "voluntary_ctxt_switches") - before, 5)
        self.assertEqual(pid1.stop(), 0)
        for watch in watches:
            watch.close()


class Client(Case):
    """casementctl, where there is nobody who answers: a health check must come to an end."""

    def ask(self, path, verb):
        return subprocess.run([CASEMENTCTL, "--socket", path, verb], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)

    def test_nobody_accepts(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
            path = os.path.join(directory, "sock")
            missing = self.ask(path, "health")
            self.assertEqual((missing.returncode, missing.stderr), (1, f"casementctl: {path}: No such file or directory: "
                                                                       "is casement running in this container?\n"))
            listener.bind(path)
            listener.listen(0)
            for verb in ("health", "watch"):
                # The first one of these waits for an answer, or is what fills the queue.
                with socket.socket(socket.AF_UNIX) as waiting:
                    waiting.connect(path)
                    answer = self.ask(path, verb)
                    self.assertEqual((answer.returncode, answer.stderr), (1, f"casementctl: {path}: no answer within 5 s\n"))
                    listener.accept()[0].close()


if __name__ == "__main__":
    unittest.main()
