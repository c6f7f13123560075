"""PID 1 takes from each only so much at a time: whoever floods it, the others are served and a stop works.

Bounds looks at the order of what happens, not at the time that it takes: everything is there while PID 1 is stopped, and when
it goes on, a client is answered before the last of it was taken.
"""
import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import tempfile
import threading
import time
import unittest

from harness import CLOCKSTEP, PATIENCE, VICTIM, Case, children_of, native, read_all, release, script, service_in, state_of, wait_until

# Datagrams that wait at a socket: the kernel's default is 10.
LONG_QUEUES = "echo 1000 >/proc/sys/net/unix/max_dgram_qlen"
MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")


class Bounds(Case):
    """What is taken in one round has an end."""

    def stop_for(self, pid1, *fifos):
        """Stop PID 1, and let a victim go on behind each of the FIFOs that it awaits."""
        pid1.kill(signal.SIGSTOP)
        wait_until(lambda: state_of(pid1.pid) == "T", "stopped")
        for fifo in fifos:
            release(fifo)

    def test_datagrams(self):
        """A thousand wait: a client is answered after some of them."""
        begin, end = self.fifo(), self.fifo()
        said = " ".join(f"notify STATUS={i}" for i in range(1000))
        pid1 = self.start([MAIN, script("s", f"await {begin} {said} await {end} pause")], network=True,
                          before=LONG_QUEUES)
        pid1.wait_state("m", "ready")
        self.stop_for(pid1, begin, end)
        with pid1.connect() as client:
            client.sendall(b"status\n")
            pid1.kill(signal.SIGCONT)
            status = json.loads(read_all(client))
        # 64 in a round; it was the second or third.
        self.assertLess(int(service_in(status, "s")["status"]), 3 * 64)
        pid1.wait_status(lambda status: service_in(status, "s")["status"] == "999")
        self.assertEqual(pid1.stop(), 0)

    def reaped_before_an_answer(self, step_ms):
        """Five thousand are dead: how many PID 1 reaps before it answers, where a look at the clock takes so many ms."""
        fifo = self.fifo()
        # By this clock an hour may be short.
        pid1 = self.start(script("s", f"await {fifo} orphans 5000 0 pause", start_timeout="500h"),
                          environment={"LD_PRELOAD": CLOCKSTEP, "CLOCK_STEP_MS": str(step_ms)})
        pid1.wait_state("s", "ready")
        self.stop_for(pid1, fifo)
        wait_until(lambda: len(children_of(pid1.pid)) == 5001, "the orphans")
        wait_until(lambda: sum(state_of(child) == "Z" for child in children_of(pid1.pid)) == 5000, "dead")
        with pid1.connect() as client:
            client.sendall(b"status\n")
            pid1.kill(signal.SIGCONT)
            reaped = json.loads(read_all(client))["reaped"]
        wait_until(lambda: pid1.status()["reaped"] == 5000, "all of them reaped")
        return reaped

    def test_orphans(self):
        """512 in a round, however fast that is; it was the second or third."""
        self.assertLessEqual(self.reaped_before_an_answer(0), 3 * 512)

    def test_slow_orphans(self):
        """As many as 5 ms allow, where each takes long; it is looked after 16."""
        self.assertLessEqual(self.reaped_before_an_answer(10), 3 * 16)

    def test_in_time(self):
        """A service was done in time, and PID 1 finds it late, among thousands of dead that the kernel names before it."""
        fifo = self.fifo()
        pid1 = self.start([MAIN, script("o", "orphans 3000 36000000 ready pause", type="notify"),
                           script("s", f"say up await {fifo} exit 0", type="oneshot", after="o", start_timeout="20s")],
                          environment={"LD_PRELOAD": CLOCKSTEP, "CLOCK_STEP_MS": "100"})
        pid1.wait_line("info s: up")
        services = {pid1.outside(service["pid"]) for service in pid1.status()["services"]}
        s = pid1.outside(service_in(pid1.status(), "s")["pid"])
        self.stop_for(pid1)
        for child in set(children_of(pid1.pid)) - services:
            os.kill(child, signal.SIGKILL)
        release(fifo)
        wait_until(lambda: all(state_of(child) == "Z" for child in set(children_of(pid1.pid)) - services | {s}), "dead")
        pid1.kill(signal.SIGCONT)
        pid1.wait_state("s", "ready")
        pid1.stop()
        self.assertNotIn("not ready after", pid1.text())

    def test_output(self):
        """A process dies and leaves half a megabyte of lines: that it is dead is noticed in between, and no line is lost."""
        fifo = self.fifo()
        with tempfile.NamedTemporaryFile("w") as log:
            pid1 = self.start([MAIN, script("s", f"pipe-size 1048576 await {fifo} flood 5000 80 exit 0", restart="no")],
                              stderr=log)
            pid1.wait_state("m", "ready")
            process = pid1.outside(service_in(pid1.status(), "s")["pid"])
            self.stop_for(pid1, fifo)
            wait_until(lambda: state_of(process) == "Z", "dead")
            pid1.kill(signal.SIGCONT)
            pid1.wait_state("s", "stopped")

            def lines():
                with open(log.name, encoding="utf-8") as file:
                    return [line for line in file.read().split("\n") if "flood" in line or "s has stopped" in line]

            wait_until(lambda: any("flood 4999 " in line for line in lines()), "the last line")
            self.assertEqual(pid1.stop(), 0)
            # 64 kB, in lines of more than 80 bytes, and what was read before the death was looked at.
            self.assertLess(lines().index("info casement: s has stopped"), 1000)
            # A line may be in two pieces where the first part ended.
            whole = [line for line in lines() if line.startswith("info s: flood ") and line.endswith(80 * "0")]
            self.assertGreaterEqual(len(whole), 4999)

    def test_clients(self):
        """A crowd that comes at once, twice as many as there is room for: none is sent away."""
        self.many_files()
        # 320 clients, and what PID 1 and its services need.
        pid1 = self.start(MAIN, stage=["limit", resource.RLIMIT_NOFILE, 512])
        pid1.wait_state("m", "ready")
        self.stop_for(pid1)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(pid1.connect()) for _ in range(640)]
            for client in clients:
                client.sendall(b"health\n")
            pid1.kill(signal.SIGCONT)
            self.assertEqual([read_all(client) for client in clients], [b"ok\n"] * 640)
        self.assertEqual(pid1.stop(), 0)


@native
class Unborn(Case):
    """A child that has not become its program yet has copies of what PID 1 closes: PID 1 is not woken by them for ever.

    By a clock that goes on at every look: with a hundred looks in a second PID 1 would be spinning.
    """

    def setUp(self):
        """A program that waits in its exec for the lease on its file."""
        self.program = self.fifo() + ".program"
        shutil.copy(VICTIM, self.program)
        self.file = os.open(self.program, os.O_RDONLY | os.O_CLOEXEC)
        self.addCleanup(os.close, self.file)
        # The kernel asks for a lease by a signal, whose default action is the end.
        self.addCleanup(signal.signal, signal.SIGIO, signal.signal(signal.SIGIO, signal.SIG_IGN))
        fcntl.fcntl(self.file, fcntl.F_SETLEASE, fcntl.F_WRLCK)

    def start_held(self, *services, **keys):
        return self.start([*services, script("held", "say up pause", program=self.program, start_timeout="500h", **keys)],
                          environment={"LD_PRELOAD": CLOCKSTEP, "CLOCK_STEP_MS": "1"})

    def wait_held(self, pid1):
        wait_until(lambda: service_in(pid1.status(), "held")["pid"], "a child")
        child = pid1.outside(service_in(pid1.status(), "held")["pid"])
        wait_until(lambda: state_of(child) == "S" and os.readlink(f"/proc/{child}/exe") != self.program, "held")

    def check(self, pid1):
        begin = pid1.status()["uptime_ms"]
        time.sleep(1)
        self.assertLess(pid1.status()["uptime_ms"] - begin, 100)
        fcntl.fcntl(self.file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        pid1.wait_line("info held: up")
        pid1.stop()

    def test_exec(self):
        """Another service becomes its program."""
        pid1 = self.start_held(MAIN)
        self.wait_held(pid1)
        pid1.wait_state("m", "ready")
        self.check(pid1)

    def test_client(self):
        """A client goes."""
        fifo = self.fifo()
        pid1 = self.start_held(MAIN, script("gate", f"await {fifo} exit 0", type="oneshot", start_timeout="500h"), after="gate")
        with pid1.connect() as client:
            client.sendall(b"watch\n")
            client.recv(1)
            release(fifo)
            self.wait_held(pid1)
        self.check(pid1)

    def test_answer(self):
        """A client that was there when the child was made is told that the answer is complete."""
        fifo = self.fifo()
        pid1 = self.start_held(MAIN, script("gate", f"await {fifo} exit 0", type="oneshot", start_timeout="500h"), after="gate")
        pid1.wait_state("m", "ready")
        with pid1.connect() as client, pid1.connect() as watcher:
            watcher.sendall(b"watch\n")
            watcher.recv(1)  # so the first one has been accepted, too
            release(fifo)
            while b'"name":"held","state":"starting"' not in watcher.recv(1 << 20):
                pass
            client.sendall(b"health\n")
            self.assertEqual(read_all(client), b"ok\n")
        self.check(pid1)


class Flood(Case):
    """All of it at once, and without an end."""

    def ask(self, pid1, verb):
        with pid1.connect() as client:
            client.settimeout(PATIENCE)
            client.sendall(verb + b"\n")
            return read_all(client)

    def crowd(self, pid1, done):
        """Clients come fifty at a time."""
        while not done.is_set():
            with contextlib.ExitStack() as stack, contextlib.suppress(OSError, AssertionError):
                clients = [stack.enter_context(pid1.connect()) for _ in range(50)]
                for client in clients:
                    client.sendall(b"status\n")
                for client in clients:
                    read_all(client)

    def test_everything(self):
        """Datagrams, output, also of a process whose service is gone, orphans, clients."""
        pid1 = self.start(["[log]\nlevel = warning\n", MAIN,
                           script("d0", "babble"), script("d1", "babble"), script("o", "shout"), script("r", "breed"),
                           script("gone", "leave-child shout -- leave-child shout -- exit 0", restart="no")],
                          network=True, before=LONG_QUEUES)

        def heard(status):
            return *(int(service_in(status, name)["status"] or 0) for name in ("d0", "d1")), status["reaped"]

        done = threading.Event()
        crowd = threading.Thread(target=self.crowd, args=(pid1, done))
        crowd.start()
        try:
            pid1.wait_state("gone", "stopped")
            wait_until(lambda: all(heard(pid1.status())), "everybody floods")
            before = heard(pid1.status())
            for _ in range(20):
                self.assertEqual(self.ask(pid1, b"health"), b"ok\n")
            wait_until(lambda: all(now > then for now, then in zip(heard(pid1.status()), before)), "they still do")
            self.assertEqual(pid1.stop(), 0)
        finally:
            done.set()
            crowd.join()


if __name__ == "__main__":
    unittest.main()
