"""What the documents show can be used as it is: files, variables, forwards."""
import os
import re
import tempfile
import unittest

import documents

CONFIGURATION = 78
SHIPPED = str(documents.TOP / "docker/casement.conf")

# Variables of the build and of the tests, and those that the documents show as mistakes.
OTHERS = {"CASEMENT_BUILD", "CASEMENT_PORT", "CASEMENT_SECTION_KEY", "CASEMENT_SECTION_SOME_KEY", "CASEMENT_"}


def check(text, environment=None):
    """What `casement --check` thinks of a configuration file: is it one, and everything that it said."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        code, output = documents.run(documents.program("casement"), "--check", "--config", file.name,
                                     environment=environment)
    return code != CONFIGURATION, output


def services_of(text):
    return set(re.findall(r"^\[service (\S+)\]", text, re.M))


class ExamplesTest(unittest.TestCase):
    def test_files(self):
        """Each ini block is a file: a drop-in on top of the shipped one, or one of its own."""
        count = 0
        shipped = documents.read(documents.TOP / "docker/casement.conf")
        for path in documents.markdown():
            for block in documents.fences(documents.read(path), "ini"):
                count += 1
                with self.subTest(document=path.name, block=block):
                    if "main = yes" in block:
                        good, output = check(block)
                    else:
                        good, output = self.check_dropin(shipped, block)
                    self.assertTrue(good, output)
        self.assertGreaterEqual(count, 4)

    @staticmethod
    def check_dropin(shipped, block):
        """As one file, in which a key of the drop-in takes the place of the shipped one."""
        sections = {}
        for text in (shipped, block):
            section = None
            for line in text.splitlines():
                if line.startswith("["):
                    section = sections.setdefault(line.strip(), {})
                elif line[:1].isspace() and line.strip():
                    section[key] += f"\n    {line.strip()}"
                elif re.match(r"[a-z-]+ *=", line):
                    key = line.partition("=")[0].strip()
                    section[key] = line.partition("=")[2].strip()
        return check("".join(f"{name}\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
                             for name, entries in sections.items()))

    def test_a_bad_file_is_noticed(self):
        # The negative control of the test above.
        self.assertFalse(check("[guest]\nmemory = lots\n")[0])

    def names(self):
        found = {}
        for path in [*documents.markdown(), *documents.manuals()]:
            for name in re.findall(r"\bCASEMENT_[A-Z0-9_]*", documents.read(path)):
                found.setdefault(name, path.name)
        return {name: place for name, place in found.items() if name not in OTHERS}

    def test_variables(self):
        """Every variable that the documents name is one."""
        names = self.names()
        self.assertGreater(len(names), 8)
        for name, place in names.items():
            _, output = documents.run(documents.program("casement"), "--check", "--config", SHIPPED, environment={name: "\t"})
            with self.subTest(document=place, variable=name):
                self.assertNotIn("no section and key have this name", output)

    def test_values_of_variables(self):
        """Every NAME=VALUE of the documents is accepted."""
        count = 0
        for path in documents.markdown():
            for name, quoted, plain in re.findall(r"\b(CASEMENT_[A-Z0-9_]+)=(?:\"([^\"]*)\"|([^\s`\"]+))", documents.read(path)):
                if name in OTHERS:
                    continue
                count += 1
                plain = plain.rstrip(".,;:)")
                with self.subTest(document=path.name, variable=name):
                    code, output = documents.run(documents.program("casement"), "--check", "--config", SHIPPED,
                                                 environment={name: quoted or plain})
                    self.assertNotEqual(code, CONFIGURATION, output)
        self.assertGreater(count, 5)

    def test_the_rule_for_variables(self):
        """The table in docs/configuration.md says of each key which variable it is; the rule gives the same."""
        rows = documents.table(documents.TOP / "docs/configuration.md", "key", "variable")
        self.assertGreater(len(rows), 4)
        for key, variable in rows:
            section, name = re.fullmatch(r"\[(.+)\] (.+)", documents.span(key)).groups()
            ruled = re.sub(r"[^A-Z0-9]", "_", f"CASEMENT_{section}_{name}".upper())
            self.assertEqual(documents.span(variable), ruled)

    def test_forwards(self):
        rows = documents.table(documents.TOP / "docs/configuration.md", "entry", "leads")
        self.assertGreater(len(rows), 4)
        for entry, _ in rows:
            good, output = check("", {"CASEMENT_NETWORK_FORWARDS": documents.span(entry)})
            self.assertTrue(good, output)

    def test_the_longest_line(self):
        """A line of 198 characters is one, and one of 199 is not, as configuration.md says."""
        said = {int(number) for path in (documents.TOP / "docs/configuration.md", documents.TOP / "docs/casement.conf.5")
                for number in re.findall(r"line has up to (\d+)\s+characters", documents.read(path))}
        self.assertEqual(said, {198})
        self.assertTrue(check(f"[guest]\nname = {'x' * (198 - len('name = '))}\n")[0])
        self.assertFalse(check(f"[guest]\nname = {'x' * (199 - len('name = '))}\n")[0])

    def test_ten_capabilities(self):
        """The README counts those of compose.yaml."""
        compose = documents.read(documents.TOP / "docker/compose.yaml")
        names = re.findall(r"^ +- ([A-Z_]+)\b", compose[compose.index("cap_add:"):compose.index("environment:")], re.M)
        self.assertEqual(len(names), 10)
        self.assertIn("ten capabilities", documents.read(documents.TOP / "README.md"))

    def test_a_hash_behind_a_value(self):
        """It is no comment, as configuration.md says; a blank and a semicolon are."""
        self.assertFalse(check("[guest]\ncpus = 2 # two\n")[0])
        self.assertTrue(check("[guest]\ncpus = 2 ; two\n")[0])

    def test_six_services(self):
        self.assertEqual(len(services_of(documents.read(documents.TOP / "docker/casement.conf"))), 6)

    def test_devices_are_as_said(self):
        """The sentence about the shipped devices in docs/configuration.md."""
        text = documents.read(documents.TOP / "docker/casement.conf")
        self.assertEqual(re.findall(r"^\[device (\S+)\]", text, re.M), ["/dev/kvm", "/dev/net/tun"])
        kvm = text[text.index("[device /dev/kvm]"):text.index("[device /dev/net/tun]")]
        self.assertLessEqual({"required = kvm", "group = kvm", "mode = 0660"}, set(kvm.splitlines()))


if __name__ == "__main__":
    unittest.main()
