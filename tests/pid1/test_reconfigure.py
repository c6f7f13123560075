"""SIGHUP: PID 1 reads its configuration again, says what has changed, takes over its policy, and touches nothing else."""
import contextlib
import os
import signal
import subprocess
import unittest

from harness import Case, children_of, native, script, service_in, wait_until

MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")


class Reconfigure(Case):
    RELOADS = "when 1 say told notify RELOADING=1 notify READY=1 -- trap 15 0 0 ready pause"

    def begin(self, *sections, **keys):
        pid1 = self.start([MAIN, *sections], **keys)
        pid1.wait_state("m", "ready")
        return pid1

    def rewrite(self, pid1, *sections):
        """Other files, then SIGHUP; what became of it."""
        with open(pid1.config, "w", encoding="utf-8") as file:
            file.write("".join((MAIN, *sections)))
        return self.hup(pid1)

    def hup(self, pid1):
        before = self.count(pid1)
        pid1.kill(signal.SIGHUP)
        wait_until(lambda: self.count(pid1) != before, "the reload is done")
        return pid1.status()["reload"]

    @staticmethod
    def count(pid1):
        return [line for line in pid1.ask("metrics").splitlines() if line.startswith("casement_reloads_total")]

    @staticmethod
    def pids(pid1):
        return {service["name"]: (service["pid"], service["restarts"]) for service in pid1.status()["services"]}

    def test_nothing_changed(self):
        pid1 = self.begin(script("s", "ready pause", type="notify"))
        before = self.pids(pid1)
        self.assertEqual(self.hup(pid1)["result"], "ok")
        self.assertEqual(self.pids(pid1), before)
        pid1.stop()
        self.assertFalse(pid1.matches("has changed|takes effect"), pid1.text())
        self.assertLines(pid1, ["info casement: SIGHUP: the configuration was read again"], "SIGHUP")

    def test_policy(self):
        """What PID 1 decides by is in force at once: a service that failed too often, a shorter patience, another signal."""
        pid1 = self.begin(script("s", "exit 3", backoff="1h", backoff_max="1h", restart_limit=5),
                          script("t", "ignore 15 ready pause", type="notify", stop_timeout="1h"))
        pid1.wait_state("s", "backoff")
        pid1.wait_state("t", "ready")
        process = service_in(pid1.status(), "t")["pid"]
        self.assertEqual(self.rewrite(pid1, script("s", "exit 3", backoff="1h", backoff_max="1h", restart_limit=5),
                                      script("t", "ignore 15 ready pause", type="notify", stop_timeout="100ms"),
                                      "[log]\nlevel = debug\n")["result"], "ok")
        self.assertEqual(service_in(pid1.status(), "t")["pid"], process)
        self.assertEqual(pid1.stop(), 0)
        self.assertLines(pid1, ["info casement: [log] level has changed",
                                "info casement: [service t] stop-timeout has changed"], "has changed")
        self.assertTrue(pid1.matches("t: pid .* did not stop in time and was killed"))
        self.assertTrue(pid1.matches("^debug casement"))

    def test_what_waits(self):
        """A command line, a variable, a new section, one that is gone: said, and nothing is touched."""
        pid1 = self.begin(script("s", "ready pause", type="notify"), script("old", "ready pause", type="notify"))
        pid1.wait_state("s", "ready")
        pid1.wait_state("old", "ready")
        before = self.pids(pid1)
        self.rewrite(pid1, script("s", "say other ready pause", type="notify", environment="A=b"),
                     script("new", "ready pause", type="notify"), "[guest]\nmemory = 8G\n[stop]\nresend = 9s\n",
                     "[device /dev/null]\nmode = 0666\n")
        self.assertEqual(self.pids(pid1), before)
        self.assertNotIn("new", before)
        self.assertEqual(pid1.stop(), 0)
        waits = "a change takes effect when the container is restarted"
        self.assertLines(pid1, [
            f"warning casement: [guest] memory: {waits}",
            f"warning casement: [stop] resend: {waits}",
            "warning casement: [device /dev/null]: a new section takes effect when the container is restarted",
            f"warning casement: [service s] exec: {waits}",
            f"warning casement: [service s] environment: {waits}",
            "warning casement: [service old]: it is gone, and stays until the container is restarted",
            "warning casement: [service new]: a new section takes effect when the container is restarted",
        ], "container is restarted")

    def test_mistakes(self):
        """All of them are named; nothing changes, nobody is told, and it can be mended."""
        pid1 = self.begin(script("s", self.RELOADS, type="notify", reload_signal="HUP", stop_timeout="1h"))
        pid1.wait_state("s", "ready")
        reload = self.rewrite(pid1, script("s", self.RELOADS, type="notify", reload_signal="HUP", stop_timeout="soon"), "[guest]\ncpus = many\n[network]\nforwards = 0 1 70000\n")
        self.assertEqual(reload["result"], "failed")
        self.assertRegex(reload["reason"], r'stop-timeout: "soon" .* \(and 3 more, see the log\)$')
        self.assertEqual(pid1.status()["state"], "ready")
        self.assertEqual(pid1.ask("health"), "ok\n")
        for words in ('"soon" is not a duration', 'cpus: "many"', 'entry 1, "0"', 'entry 3, "70000"',
                      "SIGHUP: the configuration has mistakes and stays as it was"):
            self.assertTrue(pid1.matches(words), f"{words}\n{pid1.text()}")
        self.assertFalse(pid1.matches("info s: told"))
        self.rewrite(pid1, script("s", self.RELOADS, type="notify", reload_signal="HUP", stop_timeout="30s"))
        self.assertEqual(pid1.stop(), 0)
        self.assertTrue(pid1.matches("info casement: \\[service s\\] stop-timeout has changed"))

    def test_no_file_to_wait_for(self):
        """A FIFO in the place of the file, and no file at all: PID 1 does not wait, and goes on."""
        pid1 = self.begin()
        os.unlink(pid1.config)
        self.assertEqual(self.hup(pid1)["result"], "failed")
        os.mkfifo(pid1.config)
        self.assertRegex(self.hup(pid1)["reason"], "is not a regular file")
        self.assertEqual(pid1.ask("health"), "ok\n")
        self.assertEqual(pid1.stop(), 0)

    def hang(self, pid1):
        """The directory of the configuration is on a file system whose server does not answer. Return: how to end that."""
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self.addCleanup(os.close, server)
        inside = ["nsenter", f"--target={pid1.pid}", "--mount", "--pid"]
        subprocess.run([*inside, "mount", "-i", "-t", "fuse", "-o", f"fd={server},rootmode=40000,user_id=0,group_id=0", "silent",
                        pid1.directory], check=True, pass_fds=[server])
        return lambda: subprocess.run([*inside, "umount", "-l", pid1.directory], check=True)

    def reader_of(self, pid1):
        for child in children_of(pid1.pid):
            with contextlib.suppress(OSError), open(f"/proc/{child}/comm", encoding="ascii") as file:  # it may have ended
                if file.read() == "casement-reader\n":
                    return child
        return None

    def test_hangs(self):
        """A file system that hangs holds the process that reads; PID 1 answers, gives up in the end, and reads again later."""
        pid1 = self.begin()
        end = self.hang(pid1)
        pid1.kill(signal.SIGHUP)
        wait_until(lambda: self.reader_of(pid1), "a reader")
        pid1.kill(signal.SIGHUP)
        self.assertEqual(pid1.ask("health"), "ok\n")
        pid1.wait_line("error casement: the configuration: not read within 10 s: its file system does not answer")
        self.assertEqual(pid1.status()["reload"]["result"], "failed")
        self.assertIn("not read within 10 s", pid1.status()["reload"]["reason"])
        wait_until(lambda: not self.reader_of(pid1), "the reader is gone")
        end()
        self.assertEqual(self.hup(pid1)["result"], "ok")
        self.assertEqual(pid1.stop(), 0)

    def test_stop_while_it_hangs(self):
        pid1 = self.begin()
        self.hang(pid1)
        pid1.kill(signal.SIGHUP)
        wait_until(lambda: self.reader_of(pid1), "a reader")
        self.assertEqual(pid1.stop(), 0)
        self.assertLines(pid1, [], "survives")

    def test_killed_reader(self):
        """Whoever kills it learns that nothing was read."""
        pid1 = self.begin()
        self.hang(pid1)
        pid1.kill(signal.SIGHUP)
        wait_until(lambda: self.reader_of(pid1), "a reader")
        os.kill(self.reader_of(pid1), signal.SIGKILL)
        pid1.wait_line("error casement: the configuration: the process that reads it was killed")
        self.assertEqual(pid1.stop(), 0)

    def test_too_much(self):
        """A file that is too large, one of too many keys: refused at once, and PID 1 answers in between."""
        pid1 = self.begin()
        with open(pid1.config, encoding="utf-8") as file:
            good = file.read()
        os.truncate(pid1.config, 3 << 30)
        self.assertRegex(self.hup(pid1)["reason"], "is larger than 2097152 bytes")
        sections = "".join(f"[service s{i}]\nexec = /bin/true\n" for i in range(40000))
        self.assertRegex(self.rewrite(pid1, sections)["reason"], "has more than 4096 keys")
        self.assertRegex(self.rewrite(pid1, "[guest]\n" + "what = 1\n" * 4000)["reason"], r"\(and 100 more, see the log\)")
        pid1.wait_line("error casement: the configuration: [0-9]+ more mistakes are not listed")
        self.assertEqual(self.rewrite(pid1, good[len(MAIN):])["result"], "ok")
        self.assertEqual(pid1.stop(), 0)
        self.assertLess(len(pid1.lines), 130)

    @native
    def test_large(self):
        """What a large file takes is given back."""
        pid1 = self.begin(script("s", "ready pause", type="notify"))
        self.hup(pid1)
        before = self.memory(pid1)
        large = "environment =\n" + "".join(f" V{i}=x\n" for i in range(100000))
        self.assertEqual(self.rewrite(pid1, script("s", "ready pause", type="notify") + large)["result"], "ok")
        self.assertLess(self.memory(pid1), before + 256)
        self.assertEqual(pid1.stop(), 0)

    @staticmethod
    def memory(pid1):
        with open(f"/proc/{pid1.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("RssAnon")).split()[1])

    def often(self, look):
        """What look() says after twenty times, and after a hundred more."""
        pid1 = self.begin(script("s", "ready pause", type="notify"))
        for _ in range(20):
            self.hup(pid1)
        before = look(pid1)
        for _ in range(100):
            self.hup(pid1)
        return pid1, before

    def test_often(self):
        """No descriptor is left behind."""
        pid1, before = self.often(lambda pid1: pid1.fds())
        pid1.no_more_fds_than(before)
        self.assertEqual(pid1.stop(), 0)

    @native
    def test_often_memory(self):
        """Nor is memory."""
        pid1, before = self.often(self.memory)
        self.assertLess(self.memory(pid1), before + 64)
        self.assertEqual(pid1.stop(), 0)


if __name__ == "__main__":
    unittest.main()
