"""The container's log: children's lines, formats, and a reader that does not read."""
import fcntl
import json
import os
import re
import time
import unittest

from harness import Case, release, script, service, service_in, wait_until

MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")


def dropped_lines(pid1):
    return int(re.search(r"^casement_log_lines_dropped_total (\d+)$", pid1.ask("metrics"), re.M)[1])


class Lines(Case):
    """One line in, one line out."""

    def test_names_and_levels(self):
        pid1 = self.start([service("a", "say", "plain words", "say", "<3>bad", "say", "<4>odd", "say", "<7>hidden", "exit", 0,
                                   restart="no")])
        pid1.wait_state("a", "stopped")
        pid1.stop()
        self.assertLines(pid1, ["info a: plain words", "error a: bad", "warning a: odd"], "^[a-z]+ a: ")

    def test_debug(self):
        pid1 = self.start(["[log]\nlevel = debug\n", service("a", "say", "<7>shown", "exit", 0, restart="no")])
        pid1.wait_line("^debug a: shown$")
        pid1.stop()

    def test_only_errors(self):
        pid1 = self.start([service("a", "say", "no", "say", "<3>yes", "exit", 0, restart="no")],
                          environment={"CASEMENT_LOG_LEVEL": "error"})
        pid1.wait_line("yes")
        pid1.stop()
        self.assertEqual(pid1.lines, ["error a: yes", None])

    def test_unfinished_lines(self):
        """The end of one process's output is not the beginning of the next one's."""
        pid1 = self.start(service("a", "say", "begin", "print", "no line end", "exit", 1, backoff="1ms", restart_limit=3))
        pid1.wait_state("a", "failed")
        pid1.stop()
        self.assertLines(pid1, ["info a: begin", "info a: no line end"] * 3, "^info a: ")

    def test_many_lines(self):
        """Nothing is lost, and lines of several services are not mixed."""
        pid1 = self.start([script(name, "flood 150 80 exit 0", restart="no") for name in ("a", "b", "c")])
        for name in ("a", "b", "c"):
            pid1.wait_state(name, "stopped")
        pid1.stop()
        for name in ("a", "b", "c"):
            self.assertLines(pid1, [f"info {name}: flood {i} {'0' * 80}" for i in range(150)], f"^info {name}: ")

    def test_flood(self):
        """A flood may be faster than the reader: what is dropped is counted to the line."""
        pid1 = self.start([script(name, "flood 3000 80 exit 0", restart="no") for name in ("a", "b", "c")])
        for name in ("a", "b", "c"):
            pid1.wait_state(name, "stopped")
        flood = r"^info [abc]: flood \d+ 0{80}$"
        wait_until(lambda: len(pid1.matches(flood)) + dropped_lines(pid1) >= 9000, "every line read or counted")
        dropped = dropped_lines(pid1)
        own = len([line for line in pid1.lines if line and "flood" not in line and "dropped" not in line])
        # Of the seven lines of PID 1's own some may be among them.
        self.assertLessEqual(len(pid1.matches(flood)) + dropped, 9000 + 7 - own)
        pid1.stop()

    def test_json(self):
        pid1 = self.start(["[log]\nformat = json\n", service("a", "say", 'a "word" \\ and\x1bmore', "say", "<4>\xe4", "exit", 0,
                                                             restart="no")])
        pid1.wait_state("a", "stopped")
        pid1.stop()
        entries = [json.loads(line) for line in pid1.lines if line is not None]
        self.assertEqual([(entry["level"], entry["text"]) for entry in entries if entry["module"] == "a"],
                         [("info", 'a "word" \\ and\x1bmore'), ("warning", "\xe4")])
        self.assertEqual({entry["module"] for entry in entries}, {"a", "casement"})
        self.assertTrue(all(abs(entry["time_ms"] / 1000 - time.time()) < 3600 for entry in entries))

    def test_control_characters(self):
        """A service cannot write over the beginning of its line, and nothing behind a zero byte is lost."""
        say = r"printf 'before\000after\n\033[2Jesc\rerror casement: faked\n'"
        pid1 = self.start([service("a", "-c", say, program="/bin/sh", restart="no")])
        pid1.wait_state("a", "stopped")
        pid1.stop()
        self.assertLines(pid1, ["info a: before?after", "info a: ?[2Jesc?error casement: faked"], "before|faked")

    def test_json_long_lines(self):
        """Nothing of a line is lost, whatever escapes it needs."""
        lines = ["0" * 900 + " END", "\x1b" * 900 + " END"]
        say = r"printf '%0900d END\n' 0; printf '%0900d END\n' 0 | tr 0 '\033'"
        pid1 = self.start(["[log]\nformat = json\n", service("a", "-c", say, program="/bin/sh", restart="no")])
        pid1.wait_state("a", "stopped")
        pid1.stop()
        entries = [json.loads(line) for line in pid1.lines if line is not None]
        texts = [entry["text"] for entry in entries if entry["module"] == "a"]
        self.assertEqual(texts[0], lines[0])
        self.assertEqual("".join(texts[1:]), lines[1])


class Stuck(Case):
    """A full pipe with a reader that does not read: PID 1 does everything else as ever."""

    def setUp(self):
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        self.addCleanup(os.close, self.reader)

    def read_some(self):
        """Everything that is there at once."""
        os.set_blocking(self.reader, False)
        data = b""
        while True:
            try:
                more = os.read(self.reader, 65536)
            except BlockingIOError:
                return data.decode()
            if not more:
                return data.decode()
            data += more

    def test_full_pipe(self):
        fifo = self.fifo()
        pid1 = self.start([MAIN, script("a", f"flood 5000 100 await {fifo} say heard exit 0", restart="no"),
                           script("b", "ready pause", type="notify", backoff="1ms")], stderr=self.writer)
        os.close(self.writer)
        # The flood goes through its pipe although the log is stuck.
        wait_until(lambda: dropped_lines(pid1) > 4900, "lines dropped")
        pid1.wait_state("m", "ready")
        pid1.kill_service("b")
        pid1.wait_status(lambda status: service_in(status, "b")["restarts"] == 1 and service_in(status, "b")["state"] == "ready")
        before = self.read_some()
        self.assertTrue(before.endswith("\n"), before[-200:])
        # As soon as there is room, how many were dropped is said, and lines go through again.
        release(fifo)
        pid1.wait_state("a", "stopped")
        after = self.read_some()
        self.assertRegex(after, r"^warning casement: \d+ lines were dropped: nobody read the log\n")
        self.assertIn("info a: heard\n", after)
        dropped = sum(map(int, re.findall(r"^warning casement: (\d+) lines were dropped", before + after, re.M)))
        self.assertEqual(dropped_lines(pid1), dropped)
        self.assertEqual(pid1.stop(), 0)

    def test_end_with_a_full_pipe(self):
        """Nor does the end wait for a reader."""
        pid1 = self.start([MAIN, script("a", "flood 1000 100 exit 0", restart="no")], stderr=self.writer)
        os.close(self.writer)
        pid1.wait_state("a", "stopped")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.stop(), 0)

    def test_broken_pipe(self):
        """The reader is gone: SIGPIPE is nothing to die of."""
        pid1 = self.start([MAIN, script("a", "flood 100 100 exit 0", restart="no")], stderr=self.writer)
        os.close(self.writer)
        os.close(os.dup(self.reader))
        devnull = os.open("/dev/null", os.O_RDONLY)
        os.dup2(devnull, self.reader)
        os.close(devnull)
        pid1.wait_state("a", "stopped")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.ask("health"), "ok\n")
        self.assertEqual(pid1.stop(), 0)

    def test_stopped_terminal_does_not_matter(self):
        """The description that others share keeps blocking: O_NONBLOCK is PID 1's alone."""
        pid1 = self.start([MAIN], stderr=self.writer)
        pid1.wait_state("m", "ready")
        self.assertFalse(fcntl.fcntl(self.writer, fcntl.F_GETFL) & os.O_NONBLOCK)
        os.close(self.writer)
        pid1.stop()


if __name__ == "__main__":
    unittest.main()
