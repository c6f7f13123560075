"""casement beside other inits, the quick cases: casement passes all, and each is failed by somebody, so it can be failed."""
import re
import unittest

import inits
import peers
from harness import TOP, Case, native

# Who fails it, and what happens. Measured with Debian 12's packages.
FAILS = {
    peers.exit_signals: ("no init", "0 for signal 9"),
    peers.exec_failures: ("catatonit", "exits with 1, 1, 1"),
    peers.term_again: ("dumb-init", "it gets many"),
    peers.plain_dispositions: ("catatonit", "TSTP TTIN TTOU blocked in the program"),
    peers.strange_dispositions: ("tini", "all blocked in the program"),
    peers.staggered_orphans: ("no init", "100 zombies stay"),
    peers.backlog: ("no init", "500 zombies stay"),
    peers.daemon: ("tini -g", "cut off without a signal"),
    peers.deaf_program: ("catatonit", "waits for ever"),
    peers.inherited_fd: ("dumb-init", "passed on"),
    peers.closed_stdin: ("tini", "exits with 1"),
    peers.fork_fails: ("tini", "exits with 1"),
    peers.not_pid1: ("dumb-init", "is no subreaper"),
}


# The others have no sanitizers, and some cases are about time.
@native
class Peers(Case):
    def test_casement_passes(self):
        for case in FAILS:
            with self.subTest(case=case.__name__):
                self.assertEqual(peers.outcome(case, inits.named("casement"), quick=True), (True, None))

    def test_somebody_fails(self):
        for case, (name, what) in FAILS.items():
            with self.subTest(case=case.__name__, init=name):
                self.assertEqual(peers.outcome(case, inits.named(name), quick=True), (False, what))

    def test_others_pass(self):
        """What keeps a case from being one that everybody fails."""
        for name in ("tini", "dumb-init", "catatonit"):
            for case in (peers.exit_codes, peers.exit_signals, peers.staggered_orphans, peers.backlog):
                with self.subTest(case=case.__name__, init=name):
                    self.assertEqual(peers.outcome(case, inits.named(name), quick=True), (True, None))


class Document(unittest.TestCase):
    def test_table(self):
        """docs/pid1.md has the table that the program prints: the same cases and inits, nothing that casement fails."""
        with open(f"{TOP}/docs/pid1.md", encoding="utf-8") as file:
            table = re.search(r"^\| case \|.*?\n\n", file.read(), re.M | re.S)[0]
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.strip().split("\n")]
        self.assertEqual(rows[0], ["case", *(init.name for init in inits.INITS)])
        self.assertEqual([row[0] for row in rows[2:]], [case.__doc__ for case in peers.CASES])
        self.assertEqual([row[1] for row in rows[2:] if row[1][:3] != "yes"], [])


if __name__ == "__main__":
    unittest.main()
