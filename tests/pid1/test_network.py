"""What casement-netfw tells PID 1: the table of forwards, read only when somebody asks, and how a reload went."""
import signal
import unittest

from harness import Case, Watch, release, script, service, service_in, status_field, wait_until

ADDRESS = "notify X_CASEMENT_GUEST_ADDRESS=192.168.121.68"
MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")


def netfw(commands, **keys):
    """A service in the place of casement-netfw."""
    return script("n", commands, type="notify", restart="always", backoff="1ms", **keys)


def tables_of(pid1):
    """The tables that PID 1 holds."""
    return [fd for fd, target in pid1.open_files() if "memfd:" in target]


class Table(Case):
    """The forwards and their counters."""

    def test_shown(self):
        pid1 = self.start([MAIN, netfw(f"{ADDRESS} table 3 count 21 4 ready pause")])
        pid1.wait_state("n", "ready")
        status = pid1.status()
        self.assertEqual(status["forwards"],
                         [{"proto": "tcp", "listen": f"{port}", "guest": f"192.168.121.68:{port}", "packets_in": 21,
                           "bytes_in": 2100, "packets_out": 42, "bytes_out": 4200} for port in (1, 2, 3)])
        self.assertNotIn("forwards_omitted", status)
        self.assertEqual(status["network"], {"repairs": 4})
        metrics = pid1.ask("metrics")
        self.assertIn('\ncasement_forward_packets_total{proto="tcp",listen="2",direction="in"} 21\n', metrics)
        self.assertIn('\ncasement_forward_bytes_total{proto="tcp",listen="3",direction="out"} 4200\n', metrics)
        self.assertIn("\ncasement_network_repairs_total 4\n", metrics)
        self.assertEqual(len(tables_of(pid1)), 1)
        self.assertEqual(pid1.stop(), 0)

    def test_many(self):
        pid1 = self.start([MAIN, netfw(f"{ADDRESS} table 20000 ready pause")])
        pid1.wait_state("n", "ready")
        status = pid1.status()
        self.assertGreater(len(status["forwards"]), 400)
        self.assertEqual(len(status["forwards"]) + status["forwards_omitted"], 20000)
        metrics = pid1.ask("metrics")
        shown = metrics.count("\ncasement_forward_bytes_total{")
        self.assertGreater(shown, 600)
        self.assertEqual(metrics.count("\ncasement_forward_packets_total{"), shown)
        self.assertTrue(metrics.endswith(f"\ncasement_forwards_omitted {20000 - shown // 2}\n"))
        self.assertEqual(pid1.stop(), 0)

    def test_nobody_is_woken(self):
        """Counters change a thousand times; PID 1 sleeps, and a watcher hears nothing."""
        fifo = self.fifo()
        counting = " ".join(f"count {number} 0" for number in range(1, 1001))
        pid1 = self.start([MAIN, netfw(f"{ADDRESS} table 100 ready await {fifo} {counting} say counted pause")])
        pid1.wait_state("n", "ready")
        pid1.wait_state("m", "ready")
        watch = Watch(pid1)
        first = watch.until(lambda status: status["state"] == "ready")
        self.assertEqual(first["forwards"][0]["packets_in"], 0)
        before = status_field(pid1.pid, "voluntary_ctxt_switches")
        release(fifo)
        pid1.wait_line("info n: counted")
        # The line itself wakes it, and the last of what came before may still be to come.
        self.assertLess(status_field(pid1.pid, "voluntary_ctxt_switches") - before, 10)
        self.assertEqual(pid1.status()["forwards"][99]["packets_in"], 1000)
        # The next line is about something else.
        pid1.kill(signal.SIGTERM)
        self.assertEqual(watch.until(lambda status: True)["state"], "stopping")
        self.assertEqual(pid1.wait(), 0)

    def test_replaced(self):
        """A new table takes the place of the old one, fifty times; no descriptor stays."""
        tables = " ".join(f"table {number}" for number in range(1, 51))
        pid1 = self.start([MAIN, netfw(f"{ADDRESS} {tables} ready pause")])
        pid1.wait_state("n", "ready")
        self.assertEqual(len(pid1.status()["forwards"]), 50)
        self.assertEqual(len(tables_of(pid1)), 1)
        self.assertEqual(pid1.stop(), 0)

    def test_everything_else_is_closed(self):
        pid1 = self.start([MAIN, netfw("ready pause")])
        pid1.wait_state("n", "ready")
        pid1.wait_state("m", "ready")
        before = pid1.fds()
        self.assertEqual(pid1.stop(), 0)
        for commands in ("pass forwards pipe", "pass forwards memory", "pass other table", "pass forward pipe",
                         "table-from-child 2", "pass other two", "notify-fds 3",
                         "notify FDSTORE=1|FDNAME=forwards", "notify-fds 16"):
            with self.subTest(commands=commands):
                pid1 = self.start([MAIN, netfw(f"{ADDRESS} {commands} ready pause")])
                pid1.wait_state("n", "ready")
                pid1.wait_state("m", "ready")
                pid1.no_more_fds_than(before)
                self.assertEqual(tables_of(pid1), [])
                self.assertEqual(pid1.status()["forwards"], [])
                self.assertEqual(pid1.stop(), 0)
                self.assertEqual(bool(pid1.matches("warning casement: n: what it passed is no table of forwards: ")),
                                 commands.startswith(("pass forwards", "notify FDSTORE")), pid1.text())

    def test_second_of_a_datagram(self):
        pid1 = self.start([MAIN, netfw(f"{ADDRESS} pass forwards two ready pause")])
        pid1.wait_state("n", "ready")
        self.assertEqual(len(pid1.status()["forwards"]), 1)
        self.assertEqual(len(tables_of(pid1)), 1)
        self.assertEqual(pid1.stop(), 0)

    def test_what_is_none_replaces_nothing(self):
        pid1 = self.start([MAIN, netfw(f"{ADDRESS} table 2 pass forwards pipe pass other table ready pause")])
        pid1.wait_state("n", "ready")
        self.assertEqual(len(pid1.status()["forwards"]), 2)
        self.assertEqual(pid1.stop(), 0)

    def test_outlives_the_writer(self):
        """The rules are in the kernel whether their maker lives or not. And nobody inherits the table."""
        pid1 = self.start([MAIN, netfw(f"{ADDRESS} table 2 count 5 0 ready pause"),
                           script("later", "show fds exit 0", after="n", type="oneshot"),
                           script("last", "ready pause", after="later", type="notify")])
        pid1.wait_state("last", "ready")
        self.assertFalse(pid1.matches("info later: fd .*memfd"), pid1.text())
        self.assertTrue(pid1.matches("info later: fd 0 /dev/null"))
        pid1.kill_service("n")
        pid1.wait_status(lambda status: service_in(status, "n")["restarts"] == 1 and
                         service_in(status, "n")["state"] == "ready")
        self.assertEqual(pid1.status()["forwards"][1]["packets_in"], 5)
        self.assertEqual(len(tables_of(pid1)), 1)
        self.assertEqual(pid1.stop(), 0)


class Reload(Case):
    """SIGHUP, and what a service makes of it."""

    def start_netfw(self, answer, before="", **keys):
        """A service that does this when its reload signal comes."""
        pid1 = self.start(["[log]\nlevel = debug\n", MAIN,
                           service("n", "when", 10, *answer, "--", "trap", 15, 0, 0, *before.split(), "ready", "pause",
                                   type="notify", restart="always", backoff="1ms", reload_signal="USR1", **keys)])
        pid1.wait_state("m", "ready")
        return pid1

    def result(self, pid1, *results):
        return pid1.wait_status(lambda status: status["reload"]["result"] in results)["reload"]

    def test_ok(self):
        fifo = self.fifo()
        pid1 = self.start_netfw(["notify", "RELOADING=1", "await", fifo, "notify", "READY=1|X_CASEMENT_RELOAD=ok"])
        pid1.wait_state("n", "ready")
        self.assertEqual(pid1.status()["reload"] | {"since_ms": 0}, {"result": "none", "reason": "", "since_ms": 0})
        pid1.kill(signal.SIGHUP)
        self.assertEqual(self.result(pid1, "running")["reason"], "")
        release(fifo)
        self.assertEqual(self.result(pid1, "ok", "failed")["result"], "ok")
        self.assertIn('\ncasement_reloads_total{result="ok"} 1\n', pid1.ask("metrics"))
        self.assertEqual(service_in(pid1.status(), "n")["restarts"], 0)
        self.assertEqual(pid1.stop(), 0)
        self.assertLines(pid1, ["info casement: SIGHUP: n reads its configuration again",
                                "info casement: n has read its configuration again"], "configuration again")
        self.assertEqual(len(pid1.matches("info n: signal 10 value 0")), 1)

    def test_failed(self):
        pid1 = self.start_netfw(["notify", "RELOADING=1", "notify",
                                 "READY=1|X_CASEMENT_RELOAD=failed|X_CASEMENT_RELOAD_REASON=entry 3, \"x\": no port"])
        pid1.wait_state("n", "ready")
        pid1.kill(signal.SIGHUP)
        self.assertEqual(self.result(pid1, "ok", "failed")["reason"], 'entry 3, "x": no port')
        self.assertIn('\ncasement_reloads_total{result="failed"} 1\n', pid1.ask("metrics"))
        # It is as it was.
        self.assertEqual(pid1.status()["state"], "ready")
        self.assertEqual(pid1.ask("health"), "ok\n")
        self.assertEqual(pid1.stop(), 0)
        self.assertLines(pid1, ['error casement: n: the reload failed: entry 3, "x": no port'], "^error")

    def test_dies_in_the_middle(self):
        pid1 = self.start_netfw(["notify", "RELOADING=1", "raise", 9])
        pid1.wait_state("n", "ready")
        pid1.kill(signal.SIGHUP)
        reason = "n ended in the middle of it: killed by SIGKILL"
        self.assertEqual(self.result(pid1, "ok", "failed")["reason"], reason)
        pid1.wait_state("n", "ready")
        self.assertEqual(service_in(pid1.status(), "n")["restarts"], 1)
        self.assertEqual(pid1.stop(), 0)
        self.assertLines(pid1, [f"error casement: n: the reload failed: {reason}"], "^error")

    def test_silence(self):
        """It begins and never ends: after start-timeout that is a failure, and it is left alone."""
        pid1 = self.start_netfw(["notify", "RELOADING=1"], start_timeout="2s")
        pid1.wait_state("n", "ready")
        pid1.kill(signal.SIGHUP)
        self.assertEqual(self.result(pid1, "failed")["reason"], "n: no READY=1 for 2000 ms after RELOADING=1")
        self.assertEqual(service_in(pid1.status(), "n")["restarts"], 0)
        self.assertEqual(pid1.stop(), 0)

    def test_while_it_starts(self):
        """The signal waits until it can be handled; the one that dies before never gets it."""
        fifo = self.fifo()
        pid1 = self.start(["[log]\nlevel = debug\n", MAIN,
                           service("n", "await", fifo, "when", 1, "notify", "RELOADING=1", "notify", "READY=1", "--", "ready",
                                   "pause", type="notify", restart="always", backoff="1ms", reload_signal="HUP")])
        pid1.wait_state("m", "ready")
        pid1.wait_state("n", "starting")
        pid1.kill(signal.SIGHUP)
        self.assertEqual(pid1.ask("health"), "ok\n")
        release(fifo)
        self.result(pid1, "ok")
        self.assertEqual(service_in(pid1.status(), "n")["restarts"], 0)
        self.assertEqual(pid1.stop(), 0)
        self.assertEqual(len(pid1.matches("info n: signal 1 value 0")), 1)

    def test_often(self):
        """Each one is passed on, the kernel merges some; nothing is lost and nobody dies."""
        pid1 = self.start_netfw(["notify", "RELOADING=1", "notify", "READY=1|X_CASEMENT_RELOAD=ok"])
        pid1.wait_state("n", "ready")
        for _ in range(200):
            pid1.kill(signal.SIGHUP)
        self.assertEqual(self.result(pid1, "ok", "failed")["result"], "ok")
        wait_until(lambda: pid1.matches("configuration again$")[-1:] ==
                   ["info casement: n has read its configuration again"], "the last answer")
        self.assertEqual(service_in(pid1.status(), "n")["restarts"], 0)
        self.assertEqual(pid1.stop(), 0)

    def test_in_the_stop(self):
        fifo = self.fifo()
        pid1 = self.start(["[log]\nlevel = debug\n",
                           script("n", "when 1 say again -- ready pause", type="notify", reload_signal="HUP"),
                           script("m", f"when 15 await {fifo} exit 0 -- ready pause", type="notify", main="yes", after="n")])
        pid1.wait_state("m", "ready")
        pid1.kill(signal.SIGTERM)
        pid1.wait_line("info m: signal 15")
        pid1.kill(signal.SIGHUP)
        pid1.wait_line("debug casement: SIGHUP: stopping: nothing is read again")
        release(fifo)
        self.assertEqual(pid1.wait(), 0)
        self.assertFalse(pid1.matches("info n: again"), pid1.text())

    def test_nobody(self):
        pid1 = self.start(MAIN)
        pid1.wait_state("m", "ready")
        pid1.kill(signal.SIGHUP)
        pid1.wait_line("info casement: SIGHUP: the configuration was read again")
        self.assertEqual(pid1.status()["reload"]["result"], "ok")
        self.assertEqual(pid1.stop(), 0)

    def test_not_running(self):
        """It reads its files when it starts: nothing is sent to nobody."""
        pid1 = self.start([MAIN, script("n", "exit 1", type="notify", restart="no", reload_signal="HUP")])
        pid1.wait_state("n", "failed")
        pid1.kill(signal.SIGHUP)
        pid1.wait_line("info casement: SIGHUP: n is not running: it reads its configuration when it starts")
        self.assertEqual(pid1.stop(), 0)
        self.assertFalse(pid1.matches("cannot be sent"), pid1.text())


if __name__ == "__main__":
    unittest.main()
