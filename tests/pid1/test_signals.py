"""What PID 1 does with every signal, also with those that come early, often, or from outside; and what children inherit."""
import os
import re
import signal
import time
import unittest

from harness import BUILD, CASEMENT, Case, script, service_in, state_of, status_field, wait_until

FIRST = os.path.join(BUILD, "init/pid1/casement-first")
KEEPER = script("m", "trap 15 0 0 trap 3 0 0 ready pause", type="notify", main="yes")

# Everything that asks for a stop, and the reason that is given.
STOPS = {
    signal.SIGTERM: "SIGTERM",
    signal.SIGINT: "SIGINT",
    signal.SIGPWR: "SIGPWR",
    signal.SIGRTMIN + 3: "SIGRTMIN+3",
    signal.SIGQUIT: "asked to stop at once",
}


def blocked(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^SigBlk:\s+(\w+)", file.read(), re.M)[1], 16)


def has_blocked(pid, number):
    return bool(blocked(pid) >> (number - 1) & 1)


class Table(Case):
    """The table of signals."""

    def test_signals_that_stop(self):
        for number, reason in STOPS.items():
            with self.subTest(signal=number):
                pid1 = self.start(KEEPER)
                pid1.wait_state("m", "ready")
                self.assertEqual(pid1.stop(number), 0)
                self.assertLines(pid1, [f"info casement: {reason}: stopping"], "stopping$")

    def test_signals_that_do_not(self):
        """Faults that somebody sends, what a terminal says, all the others: nothing is forwarded, PID 1 lives."""
        pid1 = self.start(KEEPER)
        service = pid1.wait_state("m", "ready")
        for number in range(1, signal.SIGRTMAX + 1):
            if number in STOPS or number in (signal.SIGKILL, signal.SIGSTOP):
                continue
            with self.subTest(signal=number):
                pid1.kill(number)
                self.assertEqual(pid1.ask("health"), "ok\n")
        self.assertEqual(service_in(pid1.status(), "m")["pid"], service["pid"])
        # A process of its own reads the configuration, and a stop does not wait for it.
        pid1.wait_line("SIGHUP")
        self.assertEqual(pid1.stop(), 0)
        self.assertEqual([line.split()[3] for line in pid1.matches("^info m: signal")], ["15"], pid1.text())
        self.assertEqual(len(pid1.matches("SIGHUP")), 1)

    def test_from_inside(self):
        """A child's signals count as anybody's: faults from inside do not end PID 1."""
        pid1 = self.start([KEEPER, "[service killer]\nexec = /bin/sh -c \"for s in 4 5 6 7 8 11 31 9 19; do kill -$s 1; done\"\n"
                                   "restart = no\n"])
        pid1.wait_state("killer", "stopped")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)

    def test_stopped_and_continued(self):
        pid1 = self.start(KEEPER)
        pid1.wait_state("m", "ready")
        pid1.kill(signal.SIGSTOP)
        wait_until(lambda: state_of(pid1.pid) == "T", "stopped")
        pid1.kill(signal.SIGTERM)
        pid1.kill(signal.SIGCONT)
        self.assertEqual(pid1.wait(), 0)


class Early(Case):
    """A signal before PID 1 has done anything."""

    def start_reading(self):
        """A PID 1 that is stopped in the midst of its configuration, which is as long as it may be."""
        for _ in range(20):
            fifo = self.fifo()
            pid1 = self.start([KEEPER, "#\n" * 1000000], stage=["await", fifo])
            with open(fifo, "wb"):
                pass
            while os.readlink(f"/proc/{pid1.pid}/exe") != CASEMENT or not has_blocked(pid1.pid, signal.SIGTERM):
                pass
            pid1.kill(signal.SIGSTOP)
            wait_until(lambda: state_of(pid1.pid) == "T", "stopped")  # pylint: disable=cell-var-from-loop
            if not any("eventpoll" in name for _, name in pid1.open_files()):
                return pid1
            pid1.kill(signal.SIGCONT)
            pid1.stop()
        raise AssertionError("it was too fast each time")

    def test_blocked_before_anything_else(self):
        """While the configuration is read, the signals are blocked long since: nothing is lost, and nothing is started."""
        for number in STOPS:
            with self.subTest(signal=number):
                pid1 = self.start_reading()
                pid1.kill(number)
                pid1.kill(signal.SIGCONT)
                self.assertEqual(pid1.wait(), 0, pid1.text())
                self.assertEqual(len(pid1.matches("stopping$")), 1)
                self.assertFalse(pid1.matches(" m[ :]"), pid1.text())

    def test_window(self):
        """From the moment that it is blocked SIGTERM is never lost; how often it came before that is printed."""
        lost = {}
        for delay in (0, 1, 2, 5, 20):
            for _ in range(4):
                fifo = self.fifo()
                pid1 = self.start(KEEPER, stage=["await", fifo])
                pid = pid1.pid
                wait_until(lambda: state_of(pid) == "S" and os.readlink(f"/proc/{pid}/exe").endswith("victim"), "waiting")
                with open(fifo, "wb"):
                    pass
                while os.readlink(f"/proc/{pid}/exe") != CASEMENT:
                    pass
                time.sleep(delay / 1000)
                was_blocked = has_blocked(pid, signal.SIGTERM)
                pid1.kill(signal.SIGTERM)
                pid1.wait_line("m is ready|stopping$")
                try:
                    pid1.kill(signal.SIGPWR)
                except ProcessLookupError:
                    pass
                self.assertEqual(pid1.wait(), 0)
                # The first reason is the one that is given.
                if pid1.matches("SIGPWR: stopping$"):
                    self.assertFalse(was_blocked, pid1.text())
                    lost[delay] = lost.get(delay, 0) + 1
        print(f"SIGTERM before it was blocked, of 4 each, by ms after exec: {lost or 'never'}", end=" ", flush=True)

    def test_mask(self):
        """Everything is blocked but what a fault raises."""
        pid1 = self.start(KEEPER)
        pid1.wait_state("m", "ready")
        mask = blocked(pid1.pid)
        for number in range(1, signal.SIGRTMAX + 1):
            fault = number in (signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGTRAP,
                               signal.SIGSYS)
            if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                self.assertEqual(bool(mask >> (number - 1) & 1), not fault, number)
        pid1.stop()


class Often(Case):
    """One stop, however often it is asked for."""

    def test_term_again_and_again(self):
        pid1 = self.start(script("m", "trap 15 500 0 ready pause", type="notify", main="yes"))
        pid1.wait_state("m", "ready")
        for _ in range(1000):
            pid1.kill(signal.SIGTERM)
        self.assertEqual(pid1.wait(), 0)
        self.assertLines(pid1, ["info casement: SIGTERM: stopping"], "stopping$")
        self.assertEqual(len(pid1.matches("^info m: signal 15 ")), 1)

    def test_term_then_int(self):
        """The first SIGINT behind a SIGTERM changes nothing either."""
        pid1 = self.start(script("m", "trap 15 300 0 trap 3 0 9 ready pause", type="notify", main="yes"))
        pid1.wait_state("m", "ready")
        pid1.kill(signal.SIGTERM)
        pid1.wait_line("info m: signal 15")
        pid1.kill(signal.SIGINT)
        pid1.kill(signal.SIGPWR)
        self.assertEqual(pid1.wait(), 0)
        self.assertEqual(len(pid1.matches("^info m: signal")), 1)

    def test_second_int_hurries(self):
        config = ["[stop]\ntimeout = 1h\n", script("m", "trap 15 0 -1 trap 3 0 10 ready pause", type="notify", main="yes")]
        for second in (signal.SIGINT, signal.SIGQUIT):
            with self.subTest(second=second):
                pid1 = self.start(config)
                pid1.wait_state("m", "ready")
                pid1.kill(signal.SIGINT)
                pid1.wait_line(r"info m: signal 15 value (35\d{5}|3600000)$")
                pid1.kill(second)
                pid1.wait_line("info m: signal 3 value 0$")
                self.assertEqual(pid1.wait(), 10)

    def test_hurrying_bounds_the_stop(self):
        """A main service that ignores everything is killed at its stop-timeout, not at the guest's."""
        pid1 = self.start(["[stop]\ntimeout = 1h\n",
                           script("m", "ignore 15 ignore 3 ready pause", type="notify", main="yes", stop_timeout="200ms")])
        pid1.wait_state("m", "ready")
        pid = service_in(pid1.status(), "m")["pid"]
        pid1.kill(signal.SIGINT)
        pid1.wait_state("m", "stopping")
        pid1.kill(signal.SIGINT)
        self.assertEqual(pid1.wait(), 10)
        self.assertLines(pid1, [f"warning casement: m: pid {pid} did not stop in time and was killed"], "killed")

    def test_sigchld_without_a_child(self):
        """No busy loop, nothing is made up."""
        pid1 = self.start(KEEPER)
        pid1.wait_state("m", "ready")
        reaped = pid1.status()["reaped"]
        for _ in range(1000):
            pid1.kill(signal.SIGCHLD)
        self.assertEqual(pid1.status()["reaped"], reaped)
        time.sleep(0.3)  # what just happened
        before = status_field(pid1.pid, "voluntary_ctxt_switches"), cpu_ticks(pid1.pid)
        time.sleep(0.5)
        # The last of the status' own wake-ups may still be to come; a loop would make thousands.
        self.assertLess(status_field(pid1.pid, "voluntary_ctxt_switches") - before[0], 5)
        self.assertLess(cpu_ticks(pid1.pid) - before[1], 5)
        pid1.stop()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Inherited(Case):
    """PID 1 is started with signals ignored and blocked; its children are not."""

    def test_children_have_defaults(self):
        pid1 = self.start([script("s", "show signals exit 0", restart="no"), KEEPER], stage=["ignore-all", "block-all"])
        pid1.wait_line("info s: shown")
        self.assertLines(pid1, [f"info s: {name}:\t{0:016x}" for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")],
                         "info s: S")
        # A SIGCHLD that is ignored would mean children that vanish without a word.
        pid1.wait_state("s", "stopped")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)

    def test_pending_signals(self):
        """What was pending before the exec of casement is not lost either."""
        pid1 = self.start(KEEPER, stage=["block-all", "raise", int(signal.SIGTERM)])
        self.assertEqual(pid1.wait(), 0)
        self.assertLines(pid1, ["info casement: SIGTERM: stopping"], "stopping$")

    def test_first(self):
        """The image's ENTRYPOINT becomes casement, with the same arguments and environment and with every signal blocked."""
        every = 2 ** 64 - 1 - (1 << signal.SIGKILL - 1) - (1 << signal.SIGSTOP - 1)
        for program, arguments, expected in (("sh", ["-c", "echo $0 $$ $# $LC_ALL"], "/usr/sbin/casement 1 0 C"),
                                             ("grep", ["SigBlk", "/proc/self/status"], f"SigBlk:\t{every:016x}")):
            with self.subTest(program=program):
                code, pid1 = self.run_to_end(before=f"mount -t tmpfs tmpfs /usr/sbin && cp /bin/{program} /usr/sbin/casement",
                                             program=[FIRST, *arguments])
                self.assertEqual((code, pid1.text()), (0, expected))

    def test_first_alone(self):
        """Without casement it ends with the code of a shell."""
        self.assertEqual(self.run_to_end(before="mount -t tmpfs tmpfs /usr/sbin", program=[FIRST])[0], 127)


if __name__ == "__main__":
    unittest.main()
