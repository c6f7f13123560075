"""What docs/messages.md and the README advise can be done with what the image has."""
import os
import pathlib
import re
import shlex
import sys
import unittest

import harness

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))
import documents  # pylint: disable=wrong-import-position

# First words of remedies that are no commands for the container: the host's, Windows', or no commands at all.
ELSEWHERE = {"docker", "modprobe", "dmesg", "wmic"}
NO_COMMANDS = {"main", "cannot", "is", "enableServiceLinks:", "ready", "device", "service"}
# What a remedy names without arguments.
ALONE = {"qemu-img", "virt-xml-validate", "casement", "chgrp", "head"}


def remedies():
    """The code spans of every column "what to do"."""
    for path in documents.markdown():
        for _, head, rows in documents.tables(documents.read(path)):
            if head[-1] == "what to do":
                for row in rows:
                    yield from documents.spans(row[-1])


def commands():
    """The programs that somebody is told to run in the container."""
    found = {words[0] for words in map(str.split, remedies())
             if words[0] in ALONE or len(words) > 1 and words[1] != "=" and re.fullmatch(r"[a-z][\w.:-]+", words[0])}
    found -= ELSEWHERE | NO_COMMANDS
    for path in documents.markdown():
        # docker exec [OPTION...] NAME PROGRAM
        found |= set(re.findall(r"docker exec (?:-\w+ )*\w+ ([\w-]+)", documents.read(path)))
    return sorted(found)


class AdviceTest(unittest.TestCase):
    def test_every_command_is_in_the_image(self):
        wanted = commands()
        self.assertLessEqual({"virsh", "qemu-img", "casementctl", "sh", "ip"}, set(wanted))
        script = "".join(f"command -v {shlex.quote(name)} >/dev/null || echo {shlex.quote(name)}\n" for name in wanted)
        missing = harness.docker("run", "--rm", "--label", f"{harness.LABEL}={os.getpid()}", "--network", "none", "--entrypoint",
                                 "sh", harness.IMAGE, "-c", script)
        self.assertEqual(missing.split(), [], "not in the image, or to be run elsewhere")


if __name__ == "__main__":
    unittest.main()
