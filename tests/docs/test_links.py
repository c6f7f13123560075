"""Whatever the documents point to is there: links, anchors, files of the tree, commands, manual pages."""
import re
import subprocess
import unittest

import documents

# Directories of the tree whose files the documents name.
TREE = ("init", "image", "lib", "netfw", "tests", "docker", "docs", "scripts", ".ci")

# Manuals of others.
FOREIGN_MANUALS = {"dnsmasq 8", "nft 8", "qemu-img 1", "sd_notify 3", "sigqueue 3"}


class LinksTest(unittest.TestCase):
    def test_links(self):
        count = 0
        for path in documents.markdown():
            for target in re.findall(r"\]\(([^)\s]+)\)", documents.without_fences(documents.read(path))):
                if re.match(r"[a-z]+:", target):
                    continue
                count += 1
                name, _, anchor = target.partition("#")
                other = (path.parent / name).resolve() if name else path
                with self.subTest(document=path.name, target=target):
                    self.assertTrue(other.exists(), "there is no such file")
                    if anchor:
                        self.assertIn(anchor, documents.anchors(documents.read(other)))
        self.assertGreater(count, 20)

    def test_every_document_can_be_found(self):
        readme = documents.read(documents.TOP / "README.md")
        for path in documents.markdown()[1:]:
            with self.subTest(document=path.name):
                self.assertIn(f"(docs/{path.name})", readme)

    def test_files_of_the_tree(self):
        count = 0
        for path in [*documents.markdown(), *documents.manuals()]:
            text = documents.read(path)
            names = set(documents.spans(documents.without_fences(text)))
            names |= {word for block in documents.fences(text, "sh") for word in re.split(r"[\s\"'=]+", block)}
            for name in names:
                if re.fullmatch(rf"({'|'.join(re.escape(part) for part in TREE)})/[\w./-]*", name):
                    count += 1
                    with self.subTest(document=path.name, file=name):
                        self.assertTrue((documents.TOP / name).exists(), "there is no such file")
        self.assertGreater(count, 10)

    def test_installed_programs_have_the_names_that_the_documents_use(self):
        """Paths of programs in the documents are those that meson installs."""
        plan = subprocess.run(["meson", "introspect", "--installed", str(documents.BUILD)], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        for name in ("/usr/sbin/casement", "/usr/bin/casementctl", "/usr/libexec/casement/casement-guest",
                     "/usr/sbin/casement-netfw", "/usr/bin/casement-image", "/usr/libexec/casement/casement-first",
                     "/usr/share/casement/casement.conf"):
            self.assertIn(f'"{name}"', plan)
        for path in documents.manuals():
            self.assertIn(f'"/usr/share/man/man{path.suffix[1:]}/{path.name}"', plan)


class ManualsTest(unittest.TestCase):
    def test_the_pages_are_there(self):
        self.assertEqual([path.name for path in documents.manuals()],
                         sorted([*documents.MANUALS.values(), "casement.conf.5"]))

    def test_references(self):
        own = {f"{path.stem} {path.suffix[1:]}" for path in documents.manuals()}
        for path in documents.manuals():
            for name in re.findall(r"^\.Xr (\S+ \d)", documents.read(path), re.M):
                with self.subTest(manual=path.name, reference=name):
                    self.assertIn(name, own | FOREIGN_MANUALS)

    def test_mandoc(self):
        """Nothing to complain about, but for manuals that this machine may not have: test_references looks at these."""
        for path in documents.manuals():
            text = documents.run("mandoc", "-T", "lint", "-W", "style", str(path))[1]
            found = [line for line in text.splitlines()
                     if "referenced manual not found" not in line and "mandoc.db" not in line]
            with self.subTest(manual=path.name):
                self.assertEqual(found, [])

    def test_mandoc_complains_about_a_bad_page(self):
        # The negative control of the test above.
        self.assertNotEqual(subprocess.run(["mandoc", "-T", "lint"], input=".Dd x\n.Xx\n", stdout=subprocess.PIPE,
                                           stderr=subprocess.STDOUT, text=True, check=False).stdout, "")


class OptionsTest(unittest.TestCase):
    """Every option and verb of --help is in the program's manual, and no other."""

    @staticmethod
    def in_help(name):
        code, text = documents.run(documents.program(name), "--help")
        assert code == 0, text
        options = set(re.findall(r"^ +--([\w-]+)", text, re.M))
        verbs = set(re.findall(r"^  ([a-z]+)  ", text, re.M))
        return options, verbs

    @staticmethod
    def in_manual(name):
        text = documents.read(documents.TOP / "docs" / documents.MANUALS[name])
        description = re.search(r"^\.Sh DESCRIPTION\n(.*?)^\.S[hs] (?!DESC)", text, re.S | re.M)[1]
        return (set(re.findall(r"^\.It Fl -([\w-]+)", description, re.M)),
                set(re.findall(r"^\.It Cm ([a-z]+)$", description, re.M)))

    def test_options(self):
        for name in documents.PROGRAMS:
            with self.subTest(program=name):
                options, verbs = self.in_help(name)
                self.assertLessEqual({"help", "version"}, options)
                self.assertEqual(self.in_manual(name), (options, verbs))

    def test_synopsis(self):
        """Every option stands in the synopsis, too."""
        for name in documents.PROGRAMS:
            text = documents.read(documents.TOP / "docs" / documents.MANUALS[name])
            synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh", text, re.S | re.M)[1]
            with self.subTest(program=name):
                self.assertEqual(set(re.findall(r"Fl -([\w-]+)", synopsis)), self.in_help(name)[0])

    def test_verbs_of_casementctl_in_the_readme(self):
        readme = documents.read(documents.TOP / "README.md")
        for verb in self.in_help("casementctl")[1]:
            self.assertIn(f"`casementctl {verb}`", readme)


if __name__ == "__main__":
    unittest.main()
