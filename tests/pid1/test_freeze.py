#!/usr/bin/env python3
"""casementctl freeze: what it asks, what it waits for, and what it ends with. PID 1's part is a socket of this test's own, which
says what a PID 1 would say; PID 1 itself is in tests/unit, the whole of it in tests/system."""
import json
import os
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import CASEMENTCTL, PATIENCE


BEGUN = "freezing the guest; then the container ends\n"


def line(freeze, reason="", frozen=""):
    return json.dumps({"version": "1", "state": "ready", "guest": {"freeze": freeze, "freeze_reason": reason, "frozen": frozen}}) + "\n"


class Freeze(unittest.TestCase):
    def ask(self, *answers, options=()):
        """Answer one client after the other, and hang up. Return: casementctl's end, and what it asked."""
        verbs = []
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
            path = os.path.join(directory, "sock")
            listener.bind(path)
            listener.listen()
            listener.settimeout(PATIENCE)

            def serve():
                for answer in answers:
                    client = listener.accept()[0]
                    with client:
                        verbs.append(client.recv(100).decode())
                        client.sendall(answer.encode())

            server = threading.Thread(target=serve)
            server.start()
            done = subprocess.run([CASEMENTCTL, "--socket", path, "freeze", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
            server.join(PATIENCE)
        return done, verbs

    def test_waits_until_it_is_frozen(self):
        done, verbs = self.ask("ok\n", line("running") * 3 + line("done", frozen="/images/windows.qcow2.frozen-7"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{BEGUN}frozen: /images/windows.qcow2.frozen-7\n", ""))
        self.assertEqual(verbs, ["freeze\n", "watch\n"])

    def test_without_asking_the_guest(self):
        done, verbs = self.ask("ok\n", line("done"), options=["--force"])
        self.assertEqual(done.returncode, 0)
        self.assertEqual(verbs, ["freeze force\n", "watch\n"])

    def test_a_refusal_is_the_end(self):
        for reason in ("the guest is not ready", "freeze: only root may do that"):
            done, verbs = self.ask(f"fail {reason}\n")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", f"casementctl: the guest is not frozen: {reason}\n"))
            self.assertEqual(verbs, ["freeze\n"])

    def test_a_failure_is_explained(self):
        done, _ = self.ask("ok\n", line("running") + line("failed", "no room"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, BEGUN, "casementctl: the guest is not frozen: no room\n"))

    def test_the_container_stops_before(self):
        done, _ = self.ask("ok\n", line("running"))
        self.assertEqual((done.returncode, done.stderr),
                         (1, "casementctl: the container stopped before the guest was frozen\n"))


if __name__ == "__main__":
    unittest.main()
