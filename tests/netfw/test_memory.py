"""What works, but not cleanly: the program under valgrind; and the library's own test against the kernel."""
import unittest

import lab

KERNEL = lab.BUILD / "tests" / "unit" / "test_netfw_kernel"
VALGRIND = ("valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=all")
CONFIG = "[network]\nforwards = 3389, 40000-40010/tcp, 5000-5002:6000-6002/udp\n"


def wrapper(program):
    """A build with a sanitizer looks after itself, and valgrind cannot run it."""
    return () if b"__asan_init" in program.read_bytes() else VALGRIND


class Memory(lab.Lab):
    def test_verbs(self):
        for verb in ("check", "up", "up", "show", "down", "down"):
            with self.subTest(verb):
                said = self.netfw(verb, CONFIG, wrapper=wrapper(lab.PROGRAM))
                self.assertNotIn("==", said)

    def test_refusals(self):
        for text, code in (("[network]\nforwards = 0\n", 78), ("[network]\nsubnet = 172.30.0.0/25\n", 78)):
            self.netfw("up", text, code=code, wrapper=wrapper(lab.PROGRAM))
        for verb in ("up", "down"):
            self.netfw(verb, code=69, capabilities="-all", wrapper=wrapper(lab.PROGRAM))

    def test_kernel(self):
        said = lab.run(*wrapper(KERNEL), str(KERNEL))
        self.assertNotIn("==", said.replace("[==========]", ""))


if __name__ == "__main__":
    unittest.main()
