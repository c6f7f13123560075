"""Every message that people can meet is in docs/messages.md, and every message there is one that they can meet."""
import unittest

import csource
import documents

PAGE = documents.TOP / "docs/messages.md"

# What nobody meets as a message of its own. Reasons of a pause are in docs/status.md.
PARTS = {
    "init/pid1/loop.c": {"SIGRTMIN+3", "SIG%s"},  # why it stops, said at level info
    "init/guest/define.c": {"the machine type %s: %s"},  # a REASON of a refused definition
    "init/guest/virt.c": {"crashed"},  # reason of a pause
    "init/guest/virt_events.c": {"ENOSPC", "I/O error",  # the same
                                 # libvirtd is away: …
                                 "it does not answer", "it closed the connection", "the connection broke"},
    "init/guest/frozen.c": {"disk.qcow2", "nvram.fd", "casement-frozen 1 uuid %36[0-9a-fA-F-] disk %",  # names, manifest
                             "definition %016d qemu %lu libvirt %lu processor %s address %s"},
    "image/answer_values.c": {'[guest] %s: "%.100s" %s'},  # refuse_value(): its callers' texts
    "image/install.c": {"%s ([guest] %s) %s"},  # medium.c's texts
    "image/box.c": {"%s: %.200s in it %s"},  # give_up(): its callers' texts
    "lib/value.c": {"is not a number in range", "is none of the choices"},  # config_values.c says which
    "lib/config_values.c": {"has a type that nobody reads"},  # the compiler sees to it
}

# What casement-guest is doing, for the status: no mistakes.
WORDS_FOR_THE_STATUS = "init/guest/keeper_report.c"


def documented():
    """The messages of the page, from the first column of its tables."""
    found = []
    for _, head, rows in documents.tables(documents.read(PAGE)):
        if head[0] != "message":
            continue
        for row in rows:
            assert len(row) == 3 and all(row), f"a cell is empty: {row}"
            messages = documents.spans(row[0])
            assert messages, f"no message: {row}"
            found += messages
    return found


class MessagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.real = [message for message in csource.messages()
                    if message.file != WORDS_FOR_THE_STATUS and message.text not in PARTS.get(message.file, ())]
        cls.documented = documented()

    def test_every_message_is_documented(self):
        self.assertGreater(len(self.real), 150)
        for message in self.real:
            pattern = message.strict
            with self.subTest(place=message.place, message=message.text):
                self.assertTrue(any(pattern.fullmatch(text) for text in self.documented), f"not in {PAGE.name}")

    def test_every_documented_message_exists(self):
        patterns = [message.strict for message in self.real]
        for text in self.documented:
            with self.subTest(message=text):
                self.assertTrue(any(pattern.fullmatch(text) for pattern in patterns), "no program says this")

    def test_no_message_is_documented_twice(self):
        self.assertEqual(sorted({text for text in self.documented if self.documented.count(text) > 1}), [])

    def test_troubleshooting_in_the_readme(self):
        """The README shows messages as they are seen, with values."""
        patterns = [message.loose for message in self.real if message.is_specific]
        rows = documents.table(documents.TOP / "README.md", "message", "what to do")
        self.assertGreater(len(rows), 5)
        for row in rows:
            for text in documents.spans(row[0]):
                with self.subTest(message=text):
                    self.assertTrue(any(pattern.fullmatch(text) for pattern in patterns), "no program says this")

    def test_parts_exist(self):
        texts = {(message.file, message.text) for message in csource.messages()}
        self.assertIn(WORDS_FOR_THE_STATUS, {file for file, _ in texts})
        self.assertEqual({(file, text) for file, parts in PARTS.items() for text in parts} - texts, set())

    def test_who_says_something_is_known(self):
        """A function that takes a format either makes messages, and is read, or is known not to."""
        known = set(csource.REPORTERS) | csource.OTHER_FORMATS
        self.assertEqual(sorted(csource.takers_of_formats(list(csource.sources())) - known), [])


class ReaderTest(unittest.TestCase):
    """The reader of the sources finds what it should."""

    def test_examples(self):
        texts = {message.text for message in csource.messages()}
        for text in ("SIGHUP: the configuration has mistakes and stays as it was",
                     "%s: is missing: start the container with --device %s",
                     "%s: is a symbolic link: name the device itself",
                     'entry %zu, "%s": unknown protocol "%s"; it is tcp or udp, or none for both',
                     "is a VMDK image, which cannot be used as it is: convert it with qemu-img convert -O qcow2",
                     "%s %s (%s) has more than %d images below it",
                     "opening the rtnetlink socket: %s"):
            self.assertIn(text, texts)

    def test_patterns(self):
        message = csource.Message(csource.Source(documents.TOP / "lib/log.c"), 1, "%s: pid %d was killed by SIG%s")
        self.assertTrue(message.loose.fullmatch("libvirtd: pid 14 was killed by SIGKILL"))
        self.assertTrue(message.strict.fullmatch("NAME: pid N was killed by SIGNAL"))
        self.assertFalse(message.strict.fullmatch("NAME: pid N was killed by hand"))


if __name__ == "__main__":
    unittest.main()
