"""docs/status.md has every field, verb and metric that a real casement answers with, and no other.

A casement with one service, talker.py, in namespaces of its own; talker.py asks the status socket and keeps the answers.
"""
import json
import os
import pathlib
import re
import sys
import tempfile
import unittest

import documents

PAGE = documents.TOP / "docs/status.md"
HERE = pathlib.Path(__file__).resolve().parent


def start(directory):
    """Run casement to its end. Its /run is a new and empty one."""
    config = directory / "casement.conf"
    config.write_text(f"[service talker]\ntype = notify\nmain = yes\nrestart = no\n"
                      f"exec = '{sys.executable}'\n  '{HERE / 'talker.py'}'\n  '{directory}'\n"
                      f"  '{os.path.abspath(documents.program('casementctl'))}'\n", encoding="utf-8")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return documents.run("unshare", *user, "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c",
                         'mount -t tmpfs tmpfs /run && exec "$@"', "sh", os.path.abspath(documents.program("casement")),
                         "--config", str(config), environment={"PYTHONDONTWRITEBYTECODE": "1"})


def flatten(value, prefix=""):
    """guest.name, forwards[].proto, …"""
    found = set()
    for name, inner in value.items():
        found.add(prefix + name)
        if isinstance(inner, dict):
            found |= flatten(inner, f"{prefix}{name}.")
        elif isinstance(inner, list):
            for element in inner:
                found |= flatten(element, f"{prefix}{name}[].")
    return found


class StatusTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.answers = {}
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            code, log = start(directory)
            for path in directory.iterdir():
                cls.answers[path.name] = path.read_text(encoding="utf-8")
        if code != 0 or "exited.json" not in cls.answers:
            raise AssertionError(f"casement ended with {code}:\n{log}")

    def rows(self, *head):
        return documents.table(PAGE, *head)

    def metrics(self):
        """name -> (type, labels -> their values)"""
        found = {}
        for line in self.answers["metrics"].splitlines():
            kind = re.fullmatch(r"# TYPE (\w+) (\w+)", line)
            sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", line)
            if kind:
                found[kind[1]] = (kind[2], {})
            elif sample and not line.startswith("#"):
                for label, value in re.findall(r'(\w+)="([^"]*)"', sample[2] or ""):
                    found[sample[1]][1].setdefault(label, []).append(value)
        return found

    def test_fields(self):
        real = set().union(*(flatten(json.loads(self.answers[name])) for name in ("alive.json", "killed.json", "exited.json")))
        self.assertGreater(len(real), 20)
        documented = {documents.span(row[0]) for row in self.rows("field", "meaning")}
        self.assertEqual(sorted(real - documented), [], "docs/status.md lacks these fields")
        self.assertEqual(sorted(documented - real), [], "docs/status.md has fields that do not exist")

    def test_metrics(self):
        real = {name: kind for name, (kind, _) in self.metrics().items()}
        self.assertGreater(len(real), 10)
        self.assertEqual({documents.span(row[0]): row[1] for row in self.rows("metric", "type", "meaning")}, real)

    def test_labels(self):
        meanings = {documents.span(row[0]): documents.spans(row[2]) for row in self.rows("metric", "type", "meaning")}
        for name, (_, labels) in self.metrics().items():
            for label in labels:
                self.assertIn(label, meanings[name], f"the label of {name}")

    def test_words(self):
        """The states and phases that the fields' descriptions list are those of the metrics' labels."""
        metrics = self.metrics()
        fields = {documents.span(row[0]): documents.spans(row[1]) for row in self.rows("field", "meaning")}
        for field, metric, label in (("state", "casement_state", "state"), ("guest.state", "casement_guest_state", "state"),
                                     ("guest.rdp", "casement_rdp_state", "state"),
                                     ("guest.stop_phase", "casement_stop_phase", "phase")):
            self.assertEqual(fields[field], metrics[metric][1][label], field)

    def test_reasons_of_a_pause(self):
        """What casement-guest can say while the guest is paused is in the table, and nothing else is."""
        sources = "".join(documents.read(path) for path in sorted((documents.TOP / "init/guest").glob("*.c")))
        body = re.search(r"const char \*virt_pause_reason\(int reason\)\n\{(.*?)\n\}", sources, re.S)[1]
        real = set(re.findall(r'return "([^"]+)"', body)) | {"ENOSPC", "asleep"}
        self.assertIn('"ENOSPC"', sources)
        self.assertIn('return "asleep"', sources)
        rows = self.rows("reason", "what happened")
        self.assertEqual({reason for row in rows for reason in documents.spans(row[0])}, real)

    def test_verbs(self):
        sentence = self.answers["no-such-verb"].strip()
        self.assertIn(f"`{sentence}`", documents.read(PAGE))
        real = re.findall(r"\w+", sentence.partition("use ")[2].replace(" or ", " "))
        self.assertEqual([documents.span(row[0]) for row in self.rows("verb", "answer")], real)

    def test_words_of_the_answers(self):
        self.assertEqual((self.answers["health"], self.answers["ready"]), ("ok\n", "ok\n"))

    def test_the_readmes_sample(self):
        """The sample in the README has the lines and columns of a real one."""
        block = documents.fences(documents.read(documents.TOP / "README.md"), "console")[0]
        self.assertTrue(block.startswith("$ docker exec windows casementctl status\n"))
        sample, real = ([line for line in text.splitlines() if line.strip()]
                        for text in (block.partition("\n")[2], self.answers["human"]))

        def words(lines):
            found = [line.split()[0] for line in lines]
            return found[:found.index("SERVICE")]

        labels = ("container", "guest", "rdp", "forwards")
        self.assertEqual([word for word in words(sample) if word in labels], list(labels))
        self.assertEqual([word for word in words(real) if word in labels], list(labels))
        self.assertEqual([line.split() for line in sample if line.startswith("SERVICE")],
                         [line.split() for line in real if line.startswith("SERVICE")])


if __name__ == "__main__":
    unittest.main()
