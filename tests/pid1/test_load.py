"""PID 1 takes from each only so much at a time: whoever floods it, the others are served and a stop works.

Bounds looks at the order of what happens, not at the time that it takes: everything is there while PID 1 is stopped, and when
it goes on, a client is answered before the last of it was taken.
"""
import contextlib
import json
import resource
import signal
import tempfile
import threading
import unittest

from harness import CLOCKSTEP, Case, children_of, native, read_all, release, script, service_in, state_of, wait_until

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
class Flood(Case):
    """All of it at once, and without an end."""

    PATIENCE = 10

    def ask(self, pid1, verb):
        with pid1.connect() as client:
            client.settimeout(self.PATIENCE)
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
