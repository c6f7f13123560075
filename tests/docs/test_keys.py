"""Every key of the configuration is in the README, in the reference and in casement.conf(5), with its default and its type."""
import re
import unittest

import documents


def compare(test, where, documented, real):
    test.assertTrue(real, "casement --keys prints nothing")
    test.assertEqual(sorted(set(real) - set(documented)), [], f"{where} lacks these keys")
    test.assertEqual(sorted(set(documented) - set(real)), [], f"{where} has keys that do not exist")
    for key, value in real.items():
        with test.subTest(where=where, key=key):
            test.assertEqual(documented[key], value)


class KeysTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = documents.keys()

    def test_readme(self):
        documented = {}
        for name, default, meaning in documents.table(documents.TOP / "README.md", "key", "default", "meaning"):
            match = re.fullmatch(r"\[(.+)\] (\S+)", documents.span(name))
            self.assertIsNotNone(match, name)
            self.assertTrue(meaning, name)
            self.assertNotIn((match[1], match[2]), documented, "twice in the table")
            documented[match[1], match[2]] = None if default == documents.NONE else documents.span(default)
        compare(self, "README.md", documented, {key: default for key, (_, default) in self.keys.items()})

    def test_reference(self):
        documented = {}
        for heading, head, rows in documents.tables(documents.read(documents.TOP / "docs/configuration.md")):
            if head != ["key", "type", "default", "meaning"]:
                continue
            section = re.fullmatch(r"\[(.+)\]", heading)
            self.assertIsNotNone(section, heading)
            for name, kind, default, meaning in rows:
                self.assertTrue(meaning, name)
                self.assertNotIn((section[1], documents.span(name)), documented, "twice in the table")
                documented[section[1], documents.span(name)] = (kind, None if default == documents.NONE
                                                                else documents.span(default))
        compare(self, "docs/configuration.md", documented, self.keys)

    def test_manual(self):
        documented, section = {}, None
        for line in documents.read(documents.TOP / "docs/casement.conf.5").splitlines():
            heading = re.fullmatch(r"\.Ss Section (.+)", line)
            if heading or line.startswith((".Sh", ".Ss")):
                section = heading and heading[1].replace("Ar ", "")
            item = re.fullmatch(r"\.It Cm (\S+) = Ar (\S+) Pq default: (\S+)", line)
            if section and line.startswith(".It"):
                self.assertIsNotNone(item, line)
                self.assertNotIn((section, item[1]), documented, "twice in the manual")
                documented[section, item[1]] = (item[2], None if item[3] == "none" else item[3])
        compare(self, "casement.conf(5)", documented,
                {key: (kind.replace(" ", "-"), default) for key, (kind, default) in self.keys.items()})


if __name__ == "__main__":
    unittest.main()
