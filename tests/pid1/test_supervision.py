"""Services: readiness, order, restarts, time-outs, watchdog, and what a process gets and does not get."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import NOBODY, VICTIM, Case, Watch, children_of, release, script, service, service_in, state_of, wait_until

MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")


def states(status):
    return {entry["name"]: entry["state"] for entry in status["services"]}


class Readiness(Case):
    """When a service is ready, and who may say so."""

    def test_types(self):
        first, second = self.fifo(), self.fifo()
        pid1 = self.start([script("simple", "await /run/never pause"),
                           script("notify", f"await {first} ready pause", type="notify"),
                           script("oneshot", f"await {second} exit 0", type="oneshot")], before="mkfifo /run/never")
        # Simple is ready when it runs, whatever it does.
        pid1.wait_state("simple", "ready")
        self.assertEqual(states(pid1.status()), {"simple": "ready", "notify": "starting", "oneshot": "starting"})
        release(first)
        pid1.wait_state("notify", "ready")
        self.assertEqual(states(pid1.status())["oneshot"], "starting")
        release(second)
        self.assertEqual(pid1.wait_state("oneshot", "ready")["pid"], 0)
        pid1.stop()

    def test_wrong_process(self):
        """A child of the service's is not the service."""
        fifo = self.fifo()
        pid1 = self.start(script("s", f"notify-from-child READY=1 say said await {fifo} ready pause", type="notify"))
        pid1.wait_line("info s: said")
        self.assertEqual(pid1.wait_state("s", "starting")["status"], "")
        release(fifo)
        pid1.wait_state("s", "ready")
        pid1.stop()

    def test_wrong_socket(self):
        """Nor does one service speak for another."""
        pid1 = self.start([script("a", "say up await /run/never pause", type="notify"),
                           script("b", "ready say said pause", environment="NOTIFY_SOCKET=/run/casement/notify/a.sock")],
                          before="mkfifo /run/never")
        pid1.wait_line("info b: said")
        pid1.ask("status")
        self.assertEqual(states(pid1.status()), {"a": "starting", "b": "ready"})
        pid1.stop()

    def test_cleared_by_a_crash(self):
        """The next process has to say it again."""
        fifo = self.fifo()
        pid1 = self.start(script("s", f"say up await {fifo} ready notify STATUS=first pause", type="notify", backoff="1ms"))
        pid1.wait_line("info s: up")
        release(fifo)
        pid1.wait_status(lambda status: service_in(status, "s")["status"] == "first")
        pid1.kill_service("s")
        pid1.wait_line("info s: up", count=2)
        self.assertEqual(pid1.wait_state("s", "starting")["status"], "")
        pid1.stop()

    def test_last_words(self):
        """What a process says right before it dies is heard before its death is."""
        for _ in range(20):
            pid1 = self.start(script("s", "ready notify STATUS=farewell print unfinished exit 0", type="notify", restart="no"))
            self.assertEqual(pid1.wait_state("s", "stopped")["status"], "farewell")
            pid1.stop()
            self.assertTrue(pid1.matches("info casement: s is ready"), pid1.text())
            self.assertTrue(pid1.matches("^info s: unfinished$"), pid1.text())

    def test_last_words_behind_the_signal(self):
        """Also when the kernel tells PID 1 of the death first."""
        fifo = self.fifo()
        pid1 = self.start(script("s", f"await {fifo} ready notify STATUS=farewell exit 0", type="notify", restart="no"))
        process = pid1.outside(pid1.wait_state("s", "starting")["pid"])
        pid1.kill(signal.SIGSTOP)
        wait_until(lambda: state_of(pid1.pid) == "T", "stopped")
        pid1.kill(signal.SIGCHLD)
        release(fifo)
        wait_until(lambda: state_of(process) == "Z", "dead")
        pid1.kill(signal.SIGCONT)
        self.assertEqual(pid1.wait_state("s", "stopped")["status"], "farewell")
        pid1.stop()

    def test_sizes(self):
        """A message of 8 kB is one, a longer one is none; neither is a risk."""
        pid1 = self.start([script("good", "notify-size 8191 pause", type="notify"),
                           script("long", "notify-size 8192 say sent pause", type="notify"),
                           script("huge", "notify-size 65536 say sent pause", type="notify")])
        pid1.wait_state("good", "ready")
        pid1.wait_line("info long: sent")
        pid1.wait_line("info huge: sent")
        self.assertEqual(states(pid1.status()), {"good": "ready", "long": "starting", "huge": "starting"})
        pid1.stop()

    def test_passed_descriptors(self):
        """They are closed, not collected."""
        pid1 = self.start([MAIN, script("s", "notify-fds 1 notify-fds 16 notify-fds 253 ready pause", type="notify", after="m")])
        pid1.wait_state("m", "ready")
        pid1.wait_state("s", "ready")
        self.assertFalse([fd for fd, target in pid1.open_files() if target.startswith("/dev/null") and fd > 2])
        pid1.stop()

    def test_never_ready(self):
        """start-timeout: the stop signal, then SIGKILL, then a new try."""
        pid1 = self.start(script("s", "trap 15 0 -1 say up pause", type="notify", start_timeout="2s", stop_timeout="1s",
                                 backoff="1ms", restart_limit=2))
        self.assertEqual(pid1.wait_state("s", "failed")["problem"], "not ready after 2000 ms")
        pid1.stop()
        self.assertEqual(len(pid1.matches("info s: up")), 2)
        self.assertEqual(len(pid1.matches("info s: signal 15")), 2)
        self.assertEqual(len(pid1.matches("did not stop in time and was killed")), 2)

    def test_extended(self):
        """EXTEND_TIMEOUT_USEC buys time."""
        pid1 = self.start(script("s", "notify EXTEND_TIMEOUT_USEC=20000000 sleep 2400 ready pause", type="notify",
                                 start_timeout="2s"))
        pid1.wait_state("s", "ready")
        self.assertEqual(service_in(pid1.status(), "s")["restarts"], 0)
        pid1.stop()


class Order(Case):
    """`after`: who waits for whom, and who stops first."""

    CHAIN = ("a", "b", "c", "d")

    def chain(self, fifos):
        return [script(name, f"await {fifo} trap 15 0 0 ready pause", type="notify", after=" ".join(self.CHAIN[:i]))
                for i, (name, fifo) in enumerate(zip(self.CHAIN, fifos))]

    def test_start_and_stop(self):
        fifos = [self.fifo() for _ in self.CHAIN]
        pid1 = self.start(reversed(self.chain(fifos)))
        for i, name in enumerate(self.CHAIN):
            pid1.wait_state(name, "starting")
            self.assertEqual(list(states(pid1.status()).values()), ["ready"] * i + ["starting"] + ["waiting"] * (3 - i))
            release(fifos[i])
            pid1.wait_state(name, "ready")
        self.assertEqual(pid1.stop(), 0)
        self.assertEqual([re.search(r"info (\w): signal 15", line)[1] for line in pid1.matches("signal 15")],
                         list(reversed(self.CHAIN)))

    def test_stop_between_start_steps(self):
        """Asked to stop after each of them: only what runs is stopped, in reverse, and nothing is started any more."""
        for done in range(len(self.CHAIN)):
            with self.subTest(ready=done):
                fifos = [self.fifo() for _ in self.CHAIN]
                pid1 = self.start(self.chain(fifos))
                for i in range(done):
                    release(fifos[i])
                    pid1.wait_state(self.CHAIN[i], "ready")
                pid1.wait_state(self.CHAIN[done], "starting")
                self.assertEqual(pid1.stop(), 0)
                self.assertEqual([re.search(r"info (\w): signal 15", line)[1] for line in pid1.matches("signal 15")],
                                 list(reversed(self.CHAIN[:done])), pid1.text())
                self.assertFalse(pid1.matches("killed"), pid1.text())

    def test_restart_of_one(self):
        """Those that are after it are not restarted with it."""
        pid1 = self.start([script("a", "ready pause", type="notify", backoff="1ms"),
                           script("b", "ready pause", type="notify", after="a")])
        b = pid1.wait_state("b", "ready")["pid"]
        for restarts in range(1, 4):
            pid1.kill_service("a")
            status = pid1.wait_status(lambda status: service_in(status, "a")["restarts"] == restarts and
                                      states(status)["a"] == "ready")
            self.assertEqual((service_in(status, "b")["pid"], service_in(status, "b")["restarts"]), (b, 0))
        pid1.stop()

    def test_hold(self):
        """SIGTERM for a main service that has not said a word yet waits until it can be handled."""
        fifo = self.fifo()
        pid1 = self.start(["[stop]\ntimeout = 50s\n",
                           script("m", f"trap 15 0 7 say up await {fifo} notify STATUS=here pause", type="notify", main="yes")])
        pid1.wait_line("info m: up")
        process = pid1.outside(service_in(pid1.status(), "m")["pid"])
        pid1.kill(signal.SIGTERM)
        pid1.wait_line("SIGTERM: stopping")
        # It has the signal blocked: one that was sent would be pending.
        with open(f"/proc/{process}/status", encoding="ascii") as file:
            self.assertIn("ShdPnd:\t0000000000000000\n", file.read())
        release(fifo)
        self.assertEqual(pid1.wait(), 7)
        self.assertTrue(pid1.matches(r"info m: signal 15 value (4\d{4}|50000)$"), pid1.text())


class Restarts(Case):
    """Backoff, limits, and what a crash does to everything else: nothing."""

    def test_backoff_table(self):
        """Crashes at once, always: the waits double up to the limit, then it has failed for good."""
        pid1 = self.start([MAIN, script("s", "exit 3", backoff="10ms", backoff_max="50ms", restart_limit=6)])
        problem = pid1.wait_state("s", "failed")
        self.assertEqual((problem["problem"], problem["restarts"]), ("exited with 3", 5))
        pid1.stop()
        waits = [int(line.split()[-2]) for line in pid1.matches("warning casement: s: exited with 3; restart")]
        self.assertEqual(len(waits), 5)
        # By chance each is up to a tenth longer.
        for wait, ms in zip(waits, (10, 20, 40, 50, 50)):
            self.assertTrue(ms <= wait <= ms * 11 // 10, waits)
        self.assertLines(pid1, ["error casement: s failed for good: exited with 3"], "for good")

    def test_waits_are_kept(self):
        """No restart comes before its time, by the log's own clock."""
        pid1 = self.start(["[log]\nformat = json\n", script("s", "exit 3", backoff="100ms", restart_limit=4)])
        pid1.wait_line("for good")
        pid1.stop()
        times = [entry["time_ms"] for entry in map(json.loads, pid1.matches("^{")) if "exited with 3" in entry["text"]]
        for wait, begin, end in zip((100, 200, 400), times, times[1:]):
            self.assertGreaterEqual(end - begin, wait - 1)

    def test_healthy_life(self):
        """A crash after a long healthy life begins the count anew: it never reaches its limit."""
        pid1 = self.start(script("s", "sleep 60 exit 3", backoff="1ms", restart_limit=2, healthy_after="30ms"))
        pid1.wait_line("; restart 6 in 1 ms")
        pid1.stop()
        self.assertFalse(pid1.matches("for good"))

    def test_slow_start_is_not_healthy(self):
        """It hangs in its start for longer than healthy-after, and fails: that counts."""
        pid1 = self.start(script("s", "sleep 60 exit 3", type="notify", backoff="1ms", restart_limit=3, healthy_after="30ms"))
        pid1.wait_state("s", "failed")
        pid1.stop()

    def test_exec_stalls(self):
        """The program cannot be executed for the moment, because somebody writes to it: that is no failure."""
        with tempfile.TemporaryDirectory() as directory:
            program = shutil.copy("/bin/sleep", os.path.join(directory, "program"))
            with open(program, "r+b"):
                pid1 = self.start(service("s", "600", program=program, restart="no", restart_limit=1, backoff="10ms",
                                          backoff_max="50ms"))
                pid1.wait_status(lambda status: service_in(status, "s")["restarts"] > 5)
                self.assertEqual(service_in(pid1.status(), "s")["problem"], f"exec {program}: Text file busy")
            pid1.wait_state("s", "ready")
            pid1.stop()

    def test_background(self):
        """A program that puts itself into the background is started at longer and longer intervals, not by the thousand."""
        pid1 = self.start([MAIN, script("s", "daemon pause -- exit 0", restart="always", backoff="10ms", backoff_max="50ms",
                                        restart_limit=1, healthy_after="1h")])
        pid1.wait_status(lambda status: service_in(status, "s")["restarts"] > 5)
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)
        waits = [int(line.split()[-2]) for line in pid1.matches("warning casement: s: exited with 0; restart")]
        for wait, ms in zip(waits, (10, 20, 40, 50, 50)):
            self.assertTrue(ms <= wait <= ms * 11 // 10, waits)

    def test_policies(self):
        pid1 = self.start([script("no", "exit 1", restart="no"), script("clean", "exit 0", restart="on-failure"),
                           script("always", "exit 0", restart="always", backoff="10ms"),
                           script("final", "exit 5", restart="always", final_codes="4, 5")])
        pid1.wait_state("no", "failed")
        pid1.wait_state("clean", "stopped")
        pid1.wait_state("final", "failed")
        pid1.wait_status(lambda status: service_in(status, "always")["restarts"] > 10)
        pid1.stop()

    def test_jitter(self):
        """Services that fail at the same moment do not come back at the same moment."""
        pid1 = self.start([script(f"s{i}", "exit 3", backoff="1h", backoff_max="1h") for i in range(8)])
        for i in range(8):
            pid1.wait_state(f"s{i}", "backoff")
        waits = {int(line.split()[-2]) for line in pid1.matches("exited with 3; restart 1 in")}
        pid1.stop()
        # All equal by chance: once in some 10^38 runs.
        self.assertGreater(len(waits), 1)

    def test_thousand_kills(self):
        """A new pid each time, and PID 1 has as many descriptors as before."""
        pid1 = self.start([MAIN, script("s", "ready pause", type="notify", backoff="1ms", backoff_max="1ms", restart_limit=0)])
        pid1.wait_state("s", "ready")
        pid1.wait_state("m", "ready")
        watch = Watch(pid1)
        before, pids = pid1.fds(), set()
        for restarts in range(1, 1001):
            pids.add(pid1.kill_service("s"))
            watch.until(lambda status: service_in(status, "s")["restarts"] == restarts and states(status)["s"] == "ready")
        self.assertGreater(len(pids), 900)  # numbers may come again
        pid1.no_more_fds_than(before)
        self.assertEqual(service_in(pid1.status(), "m")["restarts"], 0)
        watch.close()
        self.assertEqual(pid1.stop(), 0)

    def test_stop_while_waiting_for_a_restart(self):
        pid1 = self.start([MAIN, script("s", "exit 3", backoff="1h", backoff_max="1h")])
        pid1.wait_state("s", "backoff")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)
        self.assertEqual(len(pid1.matches("info casement: s is ready")), 1)

    def test_stop_at_any_moment(self):
        """Services that start, crash and start again all the time: whenever it comes, the stop is in order and complete."""
        crashing = [script(f"s{i}", f"sleep {i} exit 1", backoff="1ms", backoff_max="3ms", restart_limit=0) for i in range(8)]
        for delay in range(0, 40, 4):
            pid1 = self.start([*crashing, MAIN])
            pid1.wait_line("info casement: casement ")
            time.sleep(delay / 1000)
            code = pid1.stop()
            # Main may not have had its signals set up.
            self.assertIn(code, (0, 143), pid1.text())
            self.assertTrue(pid1.matches("info casement: exit "), pid1.text())
            self.assertFalse(pid1.matches("survived|killed$"), pid1.text())

    def test_fork_fails(self):
        """No process can be made: retried, until it can."""
        pid1 = self.start(script("s", "ready pause", type="notify", backoff="10ms", restart_limit=0),
                          run_options=f"-o uid={NOBODY}",
                          stage=["limit", resource.RLIMIT_NPROC, 1, "user", NOBODY])
        pid1.wait_line(r"error casement: s: no process can be made: Resource temporarily unavailable", count=3)
        self.assertIn("no process: Resource temporarily unavailable", service_in(pid1.status(), "s")["problem"])
        # By the same user: not every root may change another user's limits.
        subprocess.run(["prlimit", f"--pid={pid1.pid}", "--nproc=100"], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
        pid1.wait_state("s", "ready")
        self.assertEqual(pid1.stop(), 0)


class Ends(Case):
    """Watchdog, stop signals, and those who do not listen."""

    def test_watchdog(self):
        """Fed it lives, hungry it is ended with SIGABRT and started again."""
        pid1 = self.start([script("fed", "ready feed 20 1000 exit 0", type="notify", watchdog="20s"),
                           script("hungry", "ready feed 20 5 say hungry pause", type="notify", watchdog="200ms", backoff="1ms",
                                  restart_limit=0)])
        pid1.wait_line("info hungry: hungry", count=3)
        status = pid1.status()
        self.assertEqual(service_in(status, "fed")["restarts"], 0)
        self.assertGreaterEqual(service_in(status, "hungry")["restarts"], 2)
        pid1.stop()
        self.assertTrue(pid1.matches("^warning casement: hungry: no WATCHDOG=1 for 200 ms: ending it$"), pid1.text())

    def pause(self, pid1, *names):
        """As `docker pause` for 7 s, in the order of waking up that is the worst."""
        processes = [pid1.pid] + [pid1.outside(service_in(pid1.status(), name)["pid"]) for name in names]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        time.sleep(7)
        for process in processes:
            os.kill(process, signal.SIGCONT)

    def test_paused(self):
        """Of the time in which nobody ran nobody is accused. One that stands still alone is."""
        pid1 = self.start(script("fed", "ready feed 20 100000 exit 0", type="notify", watchdog="4s"))
        inner = pid1.wait_state("fed", "ready")["pid"]
        self.pause(pid1, "fed")
        pid1.wait_line(r"warning casement: PID 1 did not run for \d+ ms")
        time.sleep(0.1)
        self.assertEqual(service_in(pid1.status(), "fed")["restarts"], 0)
        os.kill(pid1.outside(inner), signal.SIGSTOP)
        pid1.wait_line("warning casement: fed: no WATCHDOG=1 for 4000 ms: ending it")
        pid1.stop()

    def test_paused_start(self):
        pid1 = self.start(script("slow", "say up sleep 4000 ready pause", type="notify", start_timeout="6s"))
        pid1.wait_line("info slow: up")
        self.pause(pid1, "slow")
        self.assertEqual(pid1.wait_state("slow", "ready")["restarts"], 0)
        pid1.stop()

    def test_watchdog_kills(self):
        """It does not even react to SIGABRT."""
        pid1 = self.start(script("s", "ignore 6 ready pause", type="notify", watchdog="300ms", stop_timeout="100ms",
                                 backoff="1ms", restart_limit=0))
        place = pid1.wait_line("did not stop in time and was killed")
        pid1.wait_line("s: no WATCHDOG=1 for 300 ms; restart", start=place)
        pid1.stop()

    def test_watchdog_usec(self):
        pid1 = self.start([script("s", "show $WATCHDOG_USEC pause", watchdog="90s"), script("t", "show $WATCHDOG_USEC pause")])
        pid1.wait_line("info s: WATCHDOG_USEC=90000000")
        pid1.wait_line(r"info t: WATCHDOG_USEC=\(unset\)")
        pid1.stop()

    def test_ignores_the_stop_signal(self):
        """SIGKILL at its stop-timeout, not before, and said once."""
        pid1 = self.start(["[log]\nformat = json\n", script("s", "ignore 15 ready pause", type="notify", stop_timeout="300ms")])
        pid1.wait_state("s", "ready")
        self.assertEqual(pid1.stop(), 0)
        entries = {entry["text"]: entry["time_ms"] for entry in map(json.loads, pid1.matches("^{"))}
        killed = [text for text in entries if "was killed" in text]
        self.assertEqual(len(killed), 1)
        self.assertGreaterEqual(entries[killed[0]] - entries["SIGTERM: stopping"], 299)

    def test_stop_signal(self):
        pid1 = self.start([script("a", "trap 10 0 0 ready pause", type="notify", stop_signal="SIGUSR1"),
                           script("b", "trap 37 0 0 ready pause", type="notify", stop_signal="RTMIN+3"),
                           script("c", "ready pause", type="notify", stop_signal="KILL")])
        for name in "abc":
            pid1.wait_state(name, "ready")
        self.assertEqual(pid1.stop(), 0)
        self.assertEqual(len(pid1.matches("info a: signal 10")), 1)
        self.assertEqual(len(pid1.matches("info b: signal 37")), 1, pid1.text())

    def test_stopped_service(self):
        """A service that is stopped by SIGSTOP is continued, so that it can act on its stop signal."""
        pid1 = self.start(script("s", "trap 15 0 0 ready say up raise 19 pause", type="notify"))
        pid1.wait_line("info s: up")
        process = pid1.outside(service_in(pid1.status(), "s")["pid"])
        wait_until(lambda: state_of(process) == "T", "stopped")
        self.assertEqual(pid1.stop(), 0)
        self.assertTrue(pid1.matches("info s: done"), pid1.text())
        self.assertFalse(pid1.matches("killed"), pid1.text())

    def test_group_is_left_alone(self):
        """Only the process itself is signalled: QEMU may be in libvirtd's group."""
        pid1 = self.start(script("s", "leave-child trap 15 0 0 trap 12 0 0 say child pause -- trap 15 500 0 ready pause",
                                 type="notify"))
        pid1.wait_line("info s: child")
        pid1.wait_state("s", "ready")
        pid1.kill(signal.SIGTERM)
        pid1.wait_line("info s: signal 15")
        self.assertEqual(pid1.wait(), 0)
        # The second one came when the child had become PID 1's.
        lines = pid1.matches("info s: (signal 15|done)")
        self.assertEqual(lines[1], "info s: done")


class Surroundings(Case):
    """What a process gets, and what it does not."""

    def shown(self, what, stage=(), environment=None, **keys):
        pid1 = self.start(service("s", "show", what, "exit", 0, restart="no", **keys), stage=stage, environment=environment)
        pid1.wait_line("info s: shown")
        pid1.stop()
        return [line.removeprefix("info s: ") for line in pid1.matches("^info s: ") if not line.endswith(" shown")]

    def test_descriptors(self):
        """0, 1 and 2, whatever PID 1 was given and has opened; a second service's are not there either."""
        lines = self.shown("fds", stage=["open", 7, "open", 99])
        self.assertEqual([line.split()[1] for line in lines], ["0", "1", "2"])
        self.assertEqual(lines[0], "fd 0 /dev/null")
        self.assertRegex(lines[1], r"^fd 1 pipe:")
        self.assertEqual(lines[1].split()[2], lines[2].split()[2])

    def test_without_standard_descriptors(self):
        """PID 1 has no stdin and no stdout: its descriptors do not take their places."""
        lines = self.shown("fds", stage=["close", 0, "close", 1])
        self.assertEqual([line.split()[1] for line in lines], ["0", "1", "2"])

    def test_place(self):
        self.assertEqual(self.shown("place")[0], "directory /")
        lines = self.shown("place", directory="/usr")
        self.assertEqual(lines[0], "directory /usr")
        parent, group, session, own = map(int, re.findall(r"\d+", lines[1]))
        self.assertEqual((parent, group, session), (1, own, own))

    def test_limits(self):
        lines = self.shown("limits", nofile=777, oom_score_adjust=300, limits="core=0 memlock=12K")
        self.assertEqual(lines, ["nofile 777 777", "/proc/self/oom_score_adj 300", "core 0 0", "memlock 12288 12288"])

    def test_more_files_than_there_are(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.assertEqual(self.shown("limits", nofile=1048576)[0], f"nofile {min(hard, 1048576)} {min(hard, 1048576)}")

    def test_user(self):
        self.assertEqual(self.shown("ids", user="daemon"),
                         ["Uid:\t1\t1\t1\t1", "Gid:\t1\t1\t1\t1", "Groups:\t1 "])
        self.assertEqual(self.shown("ids", user="daemon", group="tty")[1], "Gid:\t5\t5\t5\t5")
        self.assertEqual(self.shown("ids", group="tty")[:2], ["Uid:\t0\t0\t0\t0", "Gid:\t5\t5\t5\t5"])

    def test_environment(self):
        self.assertEqual(self.shown("$GREETING", environment={"GREETING": "container"}), ["GREETING=container"])
        pid1 = self.start('[service s]\nexec = ' + VICTIM + '\n show $GREETING\n show $PLANET\n show $NOTIFY_SOCKET\n'
                          'environment = GREETING="hello there" PLANET=\n', environment={"GREETING": "container"})
        pid1.wait_line("info s: NOTIFY_SOCKET=/run/casement/notify/s.sock")
        self.assertTrue(pid1.matches("^info s: GREETING=hello there$"), pid1.text())
        self.assertTrue(pid1.matches("^info s: PLANET=$"), pid1.text())
        pid1.stop()

    def test_environment_in_a_shell(self):
        """A shell takes the last of two variables with one name: there is one."""
        pid1 = self.start([service("s", "-c", "echo greeting $GREETING", program="/bin/sh", environment="GREETING=service",
                                   restart="no"), MAIN], environment={"GREETING": "container"})
        pid1.wait_line("info s: greeting service$")
        self.assertFalse(pid1.matches("greeting container"), pid1.text())
        pid1.stop()

    def test_umask(self):
        pid1 = self.start([service("s", "-c", "umask", program="/bin/sh", restart="no"), MAIN], before="umask 0")
        pid1.wait_line("info s: 0022$")
        pid1.stop()

    def test_oom_score_with_few_descriptors(self):
        self.assertEqual(self.shown("limits", nofile=6, oom_score_adjust=500)[:2],
                         ["nofile 6 6", "/proc/self/oom_score_adj 500"])

    def test_notify_socket_is_the_services(self):
        """Others cannot send: what comes along with a message, PID 1 has to close, and that may block."""
        pid1 = self.start([script("theirs", "ready pause", type="notify", user="daemon"), MAIN])
        pid1.wait_state("theirs", "ready")
        for name, uid in (("theirs", 1), ("m", 0)):
            status = os.stat(pid1.path(f"/run/casement/notify/{name}.sock"))
            self.assertEqual((status.st_uid, status.st_mode & 0o777), (uid, 0o600))
        pid1.stop()

    def test_outer_notify_socket_is_not_theirs(self):
        self.assertEqual(self.shown("$NOTIFY_SOCKET", environment={"NOTIFY_SOCKET": "/outside"}),
                         ["NOTIFY_SOCKET=/run/casement/notify/s.sock"])

    def test_no_two_processes(self):
        """One service, one process, through restarts."""
        pid1 = self.start(script("s", "ready pause", type="notify", backoff="1ms"))
        pid1.wait_state("s", "ready")
        pid1.kill_service("s")
        pid1.wait_status(lambda status: service_in(status, "s")["restarts"] == 1 and states(status)["s"] == "ready")
        self.assertEqual(len(children_of(pid1.pid)), 1)
        pid1.stop()


if __name__ == "__main__":
    unittest.main()
