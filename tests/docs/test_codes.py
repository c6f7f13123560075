"""Every exit code of lib/wire.h is in the README and in casement(8), and no other."""
import re
import unittest

import documents


def wire_codes():
    text = documents.read(documents.TOP / "lib/wire.h")
    body = re.search(r"enum exit_code \{(.*?)\};", text, re.S)[1]
    return {int(value) for value in re.findall(r"EXIT_\w+\s*=\s*(\d+)", body)}


def manual_codes(name):
    text = documents.read(documents.TOP / "docs" / name)
    section = re.search(r"^\.Sh EXIT STATUS\n(.*?)^\.Sh", text, re.S | re.M)[1]
    return {int(code) for code in re.findall(r"^\.It (\d+)$", section, re.M)}


class ExitCodesTest(unittest.TestCase):
    def test_there_are_codes(self):
        self.assertLessEqual({0, 10, 11, 12, 64, 69, 78}, wire_codes())

    def test_readme(self):
        rows = documents.table(documents.TOP / "README.md", "code", "meaning")
        codes = {int(row[0]) for row in rows if row[0].isdigit()}
        self.assertEqual(codes, wire_codes())
        self.assertEqual([row[0] for row in rows if not row[0].isdigit()], ["128+n"])

    def test_casement_8(self):
        self.assertEqual(manual_codes("casement.8"), wire_codes())

    def test_casement_help(self):
        """What --help says about exit codes is what the manual says."""
        text = documents.run(documents.program("casement"), "--help")[1]
        said = {int(code) for code in re.findall(r"\b(\d+)\b", text[text.index("Exit codes"):])}
        self.assertEqual(said, wire_codes())

    def test_netfw(self):
        text = documents.run(documents.program("casement-netfw"), "--help")[1]
        said = {int(code) for code in re.findall(r"\b(\d+)\b", text[text.index("Exit codes"):])}
        self.assertEqual(said, manual_codes("casement-netfw.8"))

    def test_image(self):
        text = documents.run(documents.program("casement-image"), "--help")[1]
        said = {int(code) for code in re.findall(r"\b(\d+) ", text[text.index("Exit codes"):])}
        self.assertEqual(said, manual_codes("casement-image.8"))

    def test_the_keepers_codes_are_final(self):
        """casement-guest(8) lists what the shipped configuration never follows by a new start."""
        shipped = documents.read(documents.TOP / "docker/casement.conf")
        section = shipped[shipped.index("[service casement-guest]"):]
        final = {int(code) for code in re.search(r"^final-codes = (.*)$", section, re.M)[1].split()}
        self.assertEqual(manual_codes("casement-guest.8"), final)


if __name__ == "__main__":
    unittest.main()
