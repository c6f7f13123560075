"""What is nobody's child any more is PID 1's: orphans in any number, daemons that need their time, the guest."""
import os
import re
import signal
import time
import unittest

from harness import (CASEMENT, PATIENCE, VICTIM, Case, children_of, release, script, service_in, state_of, status_field,
                     wait_until)

MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")


def is_sanitized():
    """Then its children are, too, and a fork takes several times as long."""
    with open(CASEMENT, "rb") as file:
        return b"__asan_init" in file.read()


def zombies(pid):
    return sum(state_of(child) == "Z" for child in children_of(pid))


def wait_for_no_zombies(pid1, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while zombies(pid1.pid):
        if time.monotonic() > deadline:
            raise AssertionError(f"{zombies(pid1.pid)} zombies are left")
        time.sleep(0.02)


def reaped(pid1, number):
    """What the status says once it says at least so many; orphans are no change that a watcher is told of."""
    wait_until(lambda: pid1.status()["reaped"] >= number, f"{number} processes reaped")
    return pid1.status()["reaped"]


class Orphans(Case):
    """Every orphan is reaped, and none is taken for somebody else."""

    def test_staggered(self):
        pid1 = self.start([MAIN, script("s", "orphans 100 500 exit 0", restart="no")])
        pid1.wait_line("info s: orphans made")
        # And s itself.
        self.assertEqual(reaped(pid1, 101), 101)
        wait_for_no_zombies(pid1)
        self.assertEqual(service_in(pid1.status(), "m")["state"], "ready")
        self.assertEqual(pid1.stop(), 0)

    def test_negative_control(self):
        """The same check against a PID 1 that does not reap must fail."""
        pid1 = self.start(program=[VICTIM, "orphans", "100", "0", "pause"])
        pid1.wait_line("orphans made")
        wait_until(lambda: zombies(pid1.pid) == 100, "a hundred zombies")
        with self.assertRaisesRegex(AssertionError, "100 zombies are left"):
            wait_for_no_zombies(pid1, patience=0.5)

    def test_many(self):
        number = 5000 if is_sanitized() else 20000
        fifo = self.fifo()
        pid1 = self.start([MAIN, script("s", f"await {fifo} orphans {number} 0 exit 0", restart="no")])
        main = pid1.wait_state("m", "ready")["pid"]
        pid1.ask("metrics")
        before = status_field(pid1.pid, "VmRSS")
        release(fifo)
        pid1.wait_line("info s: orphans made")
        self.assertEqual(reaped(pid1, number + 1), number + 1)
        wait_for_no_zombies(pid1)
        self.assertLess(status_field(pid1.pid, "VmRSS") - before, 300, "kB that PID 1 has grown")
        status = pid1.status()
        self.assertEqual((service_in(status, "m")["pid"], service_in(status, "m")["restarts"]), (main, 0))
        self.assertEqual(service_in(status, "s")["state"], "stopped")
        self.assertEqual(pid1.stop(), 0)

    def test_backlog(self):
        """Thousands of zombies wait while PID 1 is stopped; signals that were merged into one are not counted on."""
        number = 2000 if is_sanitized() else 5000
        fifo = self.fifo()
        pid1 = self.start([MAIN, script("s", f"await {fifo} orphans {number} 0 pause")])
        pid1.wait_state("m", "ready")
        pid1.kill(signal.SIGSTOP)
        release(fifo)
        wait_until(lambda: len(children_of(pid1.pid)) >= number + 2, "the backlog")
        wait_until(lambda: zombies(pid1.pid) >= number, "the backlog")
        pid1.kill(signal.SIGCONT)
        self.assertEqual(reaped(pid1, number), number)
        wait_for_no_zombies(pid1)
        pid1.kill_service("s")
        self.assertEqual(pid1.wait_status(lambda status: service_in(status, "s")["restarts"] == 1)["reaped"], number + 1)
        self.assertEqual(pid1.stop(), 0)

    def test_children_from_before(self):
        """What whoever started PID 1 left to it, dead and alive."""
        pid1 = self.start(MAIN, stage=["leave-child", "exit", 3, "--", "leave-child", "trap", 15, 0, 0, "pause", "--"])
        pid1.wait_state("m", "ready")
        self.assertEqual(reaped(pid1, 1), 1)
        self.assertEqual(pid1.stop(), 0)
        self.assertTrue(pid1.matches("^signal 15 "), pid1.text())
        self.assertTrue(pid1.matches("is left over: SIGTERM"), pid1.text())


class Rest(Case):
    """At the end: everything that was reparented gets SIGTERM, its time, and SIGKILL."""

    def test_daemon_finishes(self):
        """Unlike under tini, catatonit and dumb-init, what needs a second after SIGTERM has it."""
        pid1 = self.start(script("m", "daemon trap 15 1000 0 say up pause -- trap 15 0 0 ready pause", type="notify", main="yes"))
        pid1.wait_line("info m: up")
        self.assertEqual(pid1.stop(), 0)
        # The service itself, and then the daemon.
        self.assertEqual(len(pid1.matches("^info m: signal 15")), 2)
        self.assertEqual(len(pid1.matches("^info m: done")), 2)
        self.assertTrue(pid1.matches("^info casement: exit 0: SIGTERM$"), pid1.text())

    def test_daemon_of_a_dead_service(self):
        """Main's own end is no reason to cut off what it left."""
        fifo = self.fifo()
        pid1 = self.start(script("m", f"daemon trap 15 300 0 say up pause -- await {fifo} exit 7", main="yes", restart="no"))
        pid1.wait_line("info m: up")
        release(fifo)
        self.assertEqual(pid1.wait(), 7)
        self.assertTrue(pid1.matches("^info m: done"), pid1.text())

    def test_children_of_the_rest(self):
        """A daemon's child becomes PID 1's when the daemon goes, and gets its signal then."""
        pid1 = self.start(script("m", "daemon leave-child trap 15 0 0 say grandchild pause -- trap 15 0 0 ready pause",
                                 type="notify", main="yes"))
        pid1.wait_line("info m: grandchild")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)
        self.assertEqual(len(pid1.matches("^info m: done")), 3)

    def test_stopped_daemon(self):
        """A daemon that is stopped by SIGSTOP is continued, so that it can act on SIGTERM."""
        pid1 = self.start(script("m", "daemon trap 15 0 0 say up raise 19 pause -- trap 15 0 0 ready pause", type="notify",
                                 main="yes"))
        pid1.wait_line("info m: up")
        wait_until(lambda: "T" in map(state_of, children_of(pid1.pid)), "stopped")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)
        self.assertEqual(len(pid1.matches("^info m: done")), 2)

    def test_crowd(self):
        """More than fit into one look: each is asked, once, and the log has the first of them and the number of the others."""
        number = 300 if is_sanitized() else 3000
        pid1 = self.start([MAIN, script("s", f"orphans {number} 100000000 pause")])
        pid1.wait_line("info s: orphans made")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)
        lines = pid1.matches("left over: ")
        named = [line for line in lines if re.search(r"pid \d+ \(victim\) is left over: SIGTERM$", line)]
        more = sum(int(re.search(r"(\d+) more processes are left over: SIGTERM$", line)[1]) for line in lines[len(named):])
        self.assertEqual(len(named), 32, pid1.text())
        # The first one's time was over at once.
        self.assertIn(len(named) + more, (number - 1, number), pid1.text())

    def test_daemon_that_ignores_everything(self):
        pid1 = self.start(script("m", "daemon ignore 15 say up pause -- trap 15 0 0 ready pause", type="notify", main="yes"))
        pid1.wait_line("info m: up")
        begin = time.monotonic()
        self.assertEqual(pid1.stop(), 0)
        self.assertGreater(time.monotonic() - begin, 9.9)
        self.assertEqual([line.split()[-1] for line in pid1.matches("is left over")], ["SIGTERM", "SIGKILL"])


class NotPid1(Case):
    """`docker run --init`, or a shell: as a subreaper it does the same."""

    def test_subreaper(self):
        pid1 = self.start(script("m", "daemon trap 15 300 0 say up pause -- trap 15 0 5 ready pause", type="notify", main="yes"),
                          namespace=False)
        pid1.wait_line("info m: up")
        pid1.wait_state("m", "ready")
        self.assertEqual(len(children_of(pid1.pid)), 2)
        self.assertEqual(pid1.stop(), 5)
        self.assertEqual(len(pid1.matches("^info m: done")), 2)

    def test_orphans(self):
        pid1 = self.start([MAIN, script("s", "orphans 100 0 exit 0", restart="no")], namespace=False)
        self.assertEqual(reaped(pid1, 101), 101)
        wait_for_no_zombies(pid1)
        self.assertEqual(pid1.stop(), 0)


class Guest(Case):
    """QEMU is nobody's child but PID 1's, which knows how it ended and tells the main service."""

    def start_guest(self, commands, delay=0, then="pause", **keys):
        return self.start(script("m", f"trap 10 0 -1 trap 15 0 0 guest {delay} {commands} -- ready {then}", type="notify",
                                 main="yes", restart="always", backoff="1ms", final_codes="0", **keys))

    def test_killed(self):
        pid1 = self.start_guest("pause")
        pid1.wait_state("m", "ready")
        guest = pid1.status()["guest"]["pid"]
        os.kill(pid1.outside(guest), signal.SIGKILL)
        pid1.wait_line("info m: signal 10 value 9$")
        self.assertTrue(pid1.matches(rf"QEMU \(pid {guest}\) was killed by SIGKILL"), pid1.text())
        status = pid1.status()["guest"]
        self.assertEqual((status["pid"], status["signal"]), (0, signal.SIGKILL))
        self.assertEqual(pid1.stop(), 0)

    def test_exit_code(self):
        fifo = self.fifo()
        pid1 = self.start_guest(f"await {fifo} exit 3")
        pid1.wait_state("m", "ready")
        release(fifo)
        pid1.wait_line(f"info m: signal 10 value {3 << 8}$")
        self.assertEqual(pid1.status()["guest"]["exit_code"], 3)
        self.assertEqual(pid1.stop(), 0)

    def test_dead_before_it_was_reported(self):
        pid1 = self.start_guest("exit 5", delay=100)
        pid1.wait_line(f"info m: signal 10 value {5 << 8}$")
        self.assertEqual(pid1.status()["guest"]["exit_code"], 5)
        self.assertEqual(pid1.stop(), 0)

    def test_dead_while_its_keeper_was_down(self):
        """The next keeper reports a guest that is gone, and is told."""
        fifo = self.fifo()
        pid1 = self.start_guest(f"await {fifo} exit 6", delay=0)
        pid1.wait_state("m", "ready")
        keeper = pid1.outside(service_in(pid1.status(), "m")["pid"])
        # PID 1 learns of both deaths at once.
        pid1.kill(signal.SIGSTOP)
        os.kill(keeper, signal.SIGKILL)
        release(fifo)
        wait_until(lambda: zombies(pid1.pid) == 2, "both dead")
        pid1.kill(signal.SIGCONT)
        pid1.wait_line(f"info m: signal 10 value {6 << 8}$")
        self.assertEqual(service_in(pid1.status(), "m")["restarts"], 1)
        self.assertEqual(pid1.stop(), 0)

    def test_survives_its_keeper(self):
        pid1 = self.start_guest("pause")
        pid1.wait_state("m", "ready")
        guest = pid1.status()["guest"]["pid"]
        for restarts in range(1, 4):
            pid1.kill_service("m")
            pid1.wait_status(lambda status: service_in(status, "m")["restarts"] == restarts and
                             service_in(status, "m")["state"] == "ready")
        self.assertEqual(pid1.status()["guest"]["pid"], guest)
        self.assertNotEqual(state_of(pid1.outside(guest)), None)
        pid1.stop()

    def test_keeper_dies_in_mid_stop(self):
        """Another one is started to finish the work, with the time that is left; the container ends as if nothing was."""
        pid1 = self.start(script("m", "trap 10 0 0 trap 15 0 -1 guest 0 pause -- ready pause", type="notify", main="yes"))
        pid1.wait_state("m", "ready")
        guest = pid1.outside(pid1.status()["guest"]["pid"])
        pid1.kill(signal.SIGTERM)
        place = pid1.wait_line(r"info m: signal 15 value 1\d{5}$")
        pid1.kill_service("m", signal.SIGSEGV)
        pid1.wait_line(r"info m: signal 15 value 1[01]\d{4}$", start=place + 1)
        self.assertLines(pid1, ["warning casement: m is gone, but its guest is not: starting it again to stop the guest"],
                         "its guest is not")
        os.kill(guest, signal.SIGKILL)
        self.assertEqual(pid1.wait(), 0)
        self.assertTrue(pid1.matches("info m: signal 10 value 9$"), pid1.text())

    def start_critical(self):
        """A guest that cannot be shut down without another service, and that service's end for good."""
        pid1 = self.start([script("l", "trap 15 0 0 say up ready pause", type="notify", critical="yes", restart_limit=1),
                           script("m", "trap 10 0 0 trap 15 0 -1 guest 0 pause -- ready pause", type="notify", main="yes",
                                  after="l")])
        pid1.wait_state("m", "ready")
        guest = pid1.outside(pid1.status()["guest"]["pid"])
        pid1.kill_service("l")
        # It is ready again in mid-stop.
        pid1.wait_line("info l: up", count=2)
        pid1.wait_state("l", "ready")
        self.assertEqual(pid1.status()["state"], "stopping")
        pid1.wait_line(r"info m: signal 15 value 1[01]\d{4}$")
        return pid1, guest

    def test_second_chance(self):
        """What failed for good, and ends the container, is started once more for the guest's sake; it stops last."""
        pid1, guest = self.start_critical()
        os.kill(guest, signal.SIGKILL)
        self.assertEqual(pid1.wait(), 12)
        self.assertLines(pid1, ["error casement: l failed for good: killed by SIGKILL",
                                "warning casement: l failed for good, but the guest's end needs it: starting it again",
                                "info casement: exit 12: l failed for good: killed by SIGKILL"], "for good")
        self.assertLines(pid1, ["info casement: m has stopped", "info l: signal 15 value 0"], "m has stopped|info l: signal")

    def test_no_third_chance(self):
        """It fails again: the guest has to do without it, and still has its time."""
        pid1, guest = self.start_critical()
        pid1.kill_service("l")
        pid1.wait_line("error casement: l failed for good", count=2)
        pid1.wait_state("l", "failed")
        self.assertEqual(service_in(pid1.status(), "m")["state"], "stopping")
        os.kill(guest, signal.SIGKILL)
        self.assertEqual(pid1.wait(), 12)
        self.assertEqual(len(pid1.matches("info l: up")), 2)

    def test_guest_without_a_keeper_is_not_cut_off(self):
        """The keeper's code is 0, the guest is still there: it gets SIGTERM and its time like everything else."""
        pid1 = self.start_guest("trap 15 300 0 pause")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)
        self.assertTrue(pid1.matches(r"QEMU \(pid \d+\) exited with 0"), pid1.text())


if __name__ == "__main__":
    unittest.main()
