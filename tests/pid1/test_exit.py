"""What the container's exit code is, and what happens to a program that cannot be executed."""
import os
import signal
import unittest

from harness import VICTIM, Case, release, script, service, service_in


class ExitCodes(Case):
    """The main service's end is the container's end, its code the container's."""

    def test_code_of_main(self):
        for code in range(256):
            with self.subTest(code=code):
                ended, pid1 = self.run_to_end(script("m", f"exit {code}", main="yes", restart="no"))
                self.assertEqual(ended, code, pid1.text())
                self.assertTrue(pid1.matches(rf"^info casement: exit {code}: "), pid1.text())

    def test_signal_of_main(self):
        for number in (1, 2, 3, 6, 9, 11, 13, 15, 31, 34, 64):
            with self.subTest(signal=number):
                ended, pid1 = self.run_to_end(script("m", f"raise {number} pause", main="yes", restart="no"))
                self.assertEqual(ended, 128 + number, pid1.text())

    def test_main_is_restarted_until_a_final_code(self):
        """A fault is followed by a new start, a final code is not."""
        counter = self.fifo()
        pid1 = self.start(script("m", f"say started await {counter} exit 10", main="yes", restart="always",
                                 final_codes="0 10", backoff="1ms", restart_limit=0))
        pid1.wait_line("started")
        pid1.kill_service("m")
        pid1.wait_line("started", count=2)
        pid1.kill_service("m", signal.SIGSEGV)
        pid1.wait_line("started", count=3)
        release(counter)
        self.assertEqual(pid1.wait(), 10)
        self.assertLines(pid1, ["warning casement: m: killed by SIGKILL; restart 1 in 1 ms",
                                "warning casement: m: killed by SIGSEGV; restart 2 in 2 ms"], r"m: .*restart")

    def test_main_fails_for_good(self):
        """At its limit the main service's last code is the container's."""
        ended, pid1 = self.run_to_end(script("m", "exit 33", main="yes", backoff="1ms", restart_limit=3))
        self.assertEqual(ended, 33)
        self.assertTrue(pid1.matches(r"^error casement: m failed for good: exited with 33$"), pid1.text())
        self.assertEqual(len(pid1.matches(r"; restart \d in")), 2)

    def test_critical_service(self):
        """A service that the guest needs failed for good: 12, and the others are stopped in order."""
        for commands, code in (("exit 3", 12), ("raise 9", 12), ("exit 64", 64), ("exit 69", 69), ("exit 78", 78)):
            with self.subTest(commands=commands):
                ended, pid1 = self.run_to_end([
                    script("other", "trap 15 0 0 ready pause", type="notify"),
                    script("c", commands, critical="yes", restart="no", after="other"),
                    script("m", "trap 15 0 0 ready pause", type="notify", main="yes", after="other")])
                self.assertEqual(ended, code, pid1.text())
                self.assertTrue(pid1.matches("info other: done"), pid1.text())

    def test_uncritical_service(self):
        pid1 = self.start([script("u", "exit 3", restart="no"),
                           script("m", "trap 15 0 7 ready pause", type="notify", main="yes")])
        pid1.wait_state("u", "failed")
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.status()["state"], "degraded")
        self.assertEqual(pid1.ask("health"), "fail u is failed: exited with 3\n")
        self.assertEqual(pid1.stop(), 7)

    def test_no_main(self):
        """Without a main service the container lives until a signal comes."""
        pid1 = self.start(script("s", "exit 0", restart="no"))
        pid1.wait_state("s", "stopped")
        self.assertEqual(pid1.ask("ready"), "ok\n")
        self.assertEqual(pid1.stop(), 0)

    def test_nothing_configured(self):
        pid1 = self.start("")
        self.assertEqual(pid1.status()["services"], [])
        self.assertEqual(pid1.stop(), 0)
        self.assertFalse(pid1.matches("survived"), pid1.text())


class ExecFailures(Case):
    """A program that cannot be executed is reported with its stage and reason, and not tried again."""

    def check(self, program, code, reason, **keys):
        ended, pid1 = self.run_to_end(service("m", program=program, main="yes", restart="always", backoff="1ms", **keys))
        self.assertEqual(ended, code, pid1.text())
        self.assertLines(pid1, [f"error casement: m failed for good: {reason}"], "failed for good")

    def test_missing(self):
        self.check("/no/such/program", 127, "exec /no/such/program: No such file or directory")

    def test_not_in_path(self):
        self.check("no-such-program", 127, "exec no-such-program: No such file or directory")

    def test_directory(self):
        self.check("/etc", 126, "exec /etc: Permission denied")

    def test_not_executable(self):
        self.check("/etc/passwd", 126, "exec /etc/passwd: Permission denied")

    def test_interpreter_is_missing(self):
        pid1_fifo = self.fifo()
        program = os.path.join(os.path.dirname(pid1_fifo), "script")
        with open(program, "w", encoding="ascii") as file:
            file.write("#!/no/such/interpreter\n")
        os.chmod(program, 0o755)
        ended, pid1 = self.run_to_end(service("m", program=program, main="yes"))
        self.assertEqual(ended, 127, pid1.text())

    def test_working_directory(self):
        self.check(VICTIM, 126, "working directory /no/such/directory: No such file or directory", directory="/no/such/directory")

    def test_other_services_go_on(self):
        pid1 = self.start([service("bad", program="/no/such/program"), script("good", "ready pause", type="notify")])
        pid1.wait_state("good", "ready")
        self.assertIn("No such file", pid1.wait_state("bad", "failed")["problem"])
        self.assertEqual(service_in(pid1.status(), "bad")["restarts"], 0)
        pid1.stop()


if __name__ == "__main__":
    unittest.main()
