"""[guest] iso: what casement-image makes ready for an installation, and what it refuses.

The CD with the answers is read by xorriso and its file checked against unattend.rng, a schema made of Microsoft's reference.
"""
import base64
import itertools
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import time
import unittest

import lab

SCHEMA = pathlib.Path(__file__).with_name("unattend.rng")
TEMPLATE = lab.TOP / "image/autounattend.xml"
PASSWORD = "Gehe1m & <ganz> \u00e4\U0001f511"
DRIVERS = {"10": "w10", "11": "w11", "2019": "2k19", "2022": "2k22", "2025": "2k25"}
PRO_KEY = "W269N-WFGWX-YVC9B-4J6C9-T83GX"


def valid(text):
    """What the schema has against it; nothing if it is valid."""
    done = subprocess.run(["xmllint", "--noout", "--relaxng", SCHEMA, "-"], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout


def hidden(password, element):
    return base64.b64encode((password + element).encode("utf-16-le")).decode()


class InstallTest(lab.ImageTest):
    def setUp(self):
        super().setUp()
        self.disk = self.output
        self.answers = self.room / "windows.qcow2.answers.iso"
        self.mark = self.room / "windows.qcow2.installing"
        self.iso = self.medium("windows.iso")
        self.secret = self.file("password", PASSWORD.encode() + b"\n")
        self.secret.chmod(0o600)
        self.keys = {"disk": self.disk, "base": self.directory / "base.qcow2", "iso": self.iso, "windows": "10",
                     "password-file": self.secret}

    def medium(self, name, *options):
        """A CD with something on it."""
        content = self.directory / (name + ".d")
        content.mkdir()
        (content / "file").write_bytes(b"x" * 4096)
        path = self.directory / name
        lab.tool("xorriso", "-as", "mkisofs", "-quiet", *options, "-o", path, content)
        return path

    def configure(self, **keys):
        """@keys with _ for -; None takes one away."""
        self.keys.update({key.replace("_", "-"): value for key, value in keys.items()})
        self.config.write_text("[guest]\n" + "".join(f"{key} = {value}\n" for key, value in self.keys.items() if value is not None),
                               encoding="utf-8")

    def prepare(self, **keys):
        self.configure(**keys)
        return self.make("prepare", "--template", TEMPLATE)

    def not_prepared(self, text, code=lab.CONFIG, **keys):
        self.configure(**keys)
        return self.refused(text, "prepare", "--template", TEMPLATE, code=code)

    def answer_file(self):
        """The one on the CD."""
        path = self.directory / "read.xml"
        path.unlink(missing_ok=True)
        lab.tool("xorriso", "-osirrox", "on", "-indev", self.answers, "-extract", "/autounattend.xml", path)
        return path.read_text(encoding="utf-8")

    def forget(self):
        for path in self.room.iterdir():
            path.unlink()

    def test_ready(self):
        text = self.prepare(disk_size="40G")
        self.assertIn(f"{self.disk}: made, a blank disk of 40960 MiB, to be installed from {self.iso}", text)
        info = json.loads(lab.tool("qemu-img", "info", "--output=json", self.disk))
        self.assertEqual((info["format"], info["virtual-size"]), ("qcow2", 40 << 30))
        self.assertLess(self.disk.stat().st_blocks * 512, 1 << 20)
        self.assertEqual(sorted(path.name for path in self.room.iterdir()), sorted([self.disk.name, self.answers.name, self.mark.name]))
        for path in self.room.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
        # Windows finds the file by its name, on ISO 9660's extension for that.
        self.assertIn("autounattend.xml".encode("utf-16-be"), self.answers.read_bytes())

    def test_every_combination(self):
        """Each Windows, firmware and set of drivers, against the schema and by its marks."""
        for windows, firmware, virtio in itertools.product(DRIVERS, ("bios", "uefi", "uefi-secure"), (None, self.medium("virtio.iso"))):
            if windows == "11" and firmware != "uefi-secure":
                continue
            with self.subTest(windows=windows, firmware=firmware, virtio=virtio):
                self.prepare(windows=windows, firmware=firmware, virtio_iso=virtio)
                text = self.answer_file()
                self.assertEqual(valid(text), "")
                self.assertEqual("<Type>EFI</Type>" in text, firmware != "bios")
                self.assertEqual(f"D:\\viostor\\{DRIVERS[windows]}\\amd64" in text, virtio is not None)
                self.assertEqual("qemu-ga-x86_64.msi" in text, virtio is not None)
                server = windows.startswith("20")
                self.assertIn("<Value>2</Value>" if server else f"<Value>Windows {windows} Pro</Value>", text)
                self.assertEqual(PRO_KEY in text, not server)
                self.assertEqual("ShutdownReasonOn" in text, server)
                self.assertEqual(hidden(PASSWORD, "AdministratorPassword") in text, server)
                self.assertEqual(text.count(hidden(PASSWORD, "Password")), 2)
                orders = [int(n) for n in re.findall(r"<SynchronousCommand.*?<Order>(\d+)<", text, re.S)]
                self.assertEqual(orders, list(range(1, len(orders) + 1)))
                # The last command is what lets RDP in.
                self.assertIn('group="@FirewallAPI.dll,-28752"', re.findall(r"<CommandLine>(.*?)<", text)[-1].replace("&quot;", '"'))
                self.assertNotRegex(text, "urn:casement|<!--|@[a-z]+@")
                self.forget()

    def test_schema_refuses(self):
        """What the schema is worth: each of these is a mistake, and only these are."""
        self.prepare(windows="2022", virtio_iso=self.medium("virtio.iso"))
        good = self.answer_file()
        self.assertEqual(valid(good), "")
        for old, new in (
                ("31bf3856ad364e35", "31bf3856ad364e36"), ('processorArchitecture="amd64" ', ""), ('language="neutral"', 'language="en"'),
                ('versionScope="nonSxS"', 'versionScope="SxS"'), ('pass="specialize"', 'pass="generalize"'),
                ("Microsoft-Windows-Setup", "Microsoft-Windows-SetUp"), ("<Type>MSR</Type>", "<Type>Msr</Type>"),
                ("<Format>FAT32</Format>", "<Format>NTFS</Format>"), ("<WillWipeDisk>true", "<WillWipeDisk>yes"),
                ("/IMAGE/INDEX", "/IMAGE/NUMBER"), ("<Value>2<", "<Value>two<"), ("<PlainText>false", "<PlainText>true"),
                (' wcm:action="add"', ""), ("<Order>1</Order>", "<Order>0</Order>"), ("fDenyTSConnections", "DenyTSConnections"),
                ("<UILanguage>en-US<", "<UILanguage>English<"), ("\\2k22\\", "\\w2k22\\"), ("<AcceptEula>true", "<AcceptEula>false"),
                ("urn:schemas-microsoft-com:unattend", "urn:other"), ("<LogonCount>1", "<LogonCount>once")):
            with self.subTest(old=old, new=new):
                self.assertIn(old, good)
                self.assertNotEqual(valid(good.replace(old, new, 1)), "")
        group = ('<component name="Networking-MPSSVC-Svc" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" '
                 'versionScope="nonSxS"><FirewallGroups><FirewallGroup wcm:action="add" wcm:keyValue="RDP"><Active>true</Active>'
                 "<Group>@FirewallAPI.dll,-28752</Group><Profile>all</Profile></FirewallGroup></FirewallGroups></component>")
        place = '<settings pass="specialize">'
        self.assertEqual(valid(good.replace(place, place + group)), "")
        self.assertNotEqual(valid(good.replace(place, place + group.replace("all<", "everywhere<"))), "")

    def test_values(self):
        """They are escaped, and where they should be."""
        self.prepare(user="O'Hara & Söhne", language="de-DE", time_zone="W. Europe Standard Time", edition="Windows 10 <Pro> & more")
        text = self.answer_file()
        self.assertEqual(valid(text), "")
        self.assertIn("<Username>O'Hara &amp; Söhne</Username>", text)
        self.assertIn("<Value>Windows 10 &lt;Pro&gt; &amp; more</Value>", text)
        self.assertIn("<TimeZone>W. Europe Standard Time</TimeZone>", text)
        self.assertEqual(text.count(">de-DE<"), 9)
        # The key is that of the default edition.
        self.assertNotIn("<ProductKey>", text)
        self.prepare(edition="6", product_key="AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", locale="sr-Latn-RS")
        text = self.answer_file()
        self.assertIn("<Key>/IMAGE/INDEX</Key>", text)
        self.assertIn("<Key>AAAAA-BBBBB-CCCCC-DDDDD-EEEEE</Key>", text)
        self.assertEqual(text.count(">sr-Latn-RS<"), 6)
        self.assertEqual(valid(text), "")

    def test_administrator(self):
        self.prepare(user="Administrator")
        text = self.answer_file()
        self.assertEqual(valid(text), "")
        self.assertNotIn("<LocalAccount", text)
        self.assertIn(hidden(PASSWORD, "AdministratorPassword"), text)

    def test_goes_on(self):
        """As long as the disk has its mark, the answers are made anew and the disk is left alone."""
        self.prepare()
        inode = self.disk.stat().st_ino
        with open(self.disk, "r+b") as file:
            file.seek(1 << 20)
            file.write(b"half of a Windows")
        content = self.disk.read_bytes()
        self.secret.write_text("another-1\n", encoding="ascii")
        self.assertIn("goes on being installed", self.prepare())
        self.assertIn(hidden("another-1", "Password"), self.answer_file())
        self.assertEqual((self.disk.stat().st_ino, self.disk.read_bytes()), (inode, content))

    def test_killed(self):
        """Whenever it is killed, there is no disk without its mark; and the next run leaves nothing of the one before."""
        self.configure()
        for delay in range(0, 30, 2):
            process = self.start("prepare", "--template", TEMPLATE)
            time.sleep(delay / 1000)
            self.stop(process, signal.SIGKILL)
            self.until_left()
            if self.disk.exists():
                self.assertEqual(self.mark.read_text(encoding="ascii"), f"inode {self.disk.stat().st_ino}\n")
                self.assertTrue(self.answers.exists())
                self.disk.unlink()
        self.make("prepare", "--template", TEMPLATE)
        self.assertEqual(sorted(path.name for path in self.room.iterdir() if ".installing.casement-new-" not in path.name),
                         sorted([self.disk.name, self.answers.name, self.mark.name]))

    def test_a_disk_is_left_alone(self):
        """With a disk or a base nothing is made; nor with a mark that another disk has left."""
        self.configure(iso=self.directory / "missing")
        for path in (self.disk, self.keys["base"]):
            path.write_bytes(b"precious")
            self.assertEqual(self.make("prepare"), "")
            path.unlink()
        self.prepare(iso=self.iso)
        self.answers.unlink()
        other = self.room / "other"
        other.write_bytes(b"precious")
        os.replace(other, self.disk)
        self.assertEqual(self.prepare(), "")
        self.assertEqual(self.disk.read_bytes(), b"precious")
        self.assertFalse(self.answers.exists())

    def test_own_answers(self):
        own = self.file("own.xml", b'<unattend xmlns="urn:x">\n <!-- mine -->@user@</unattend>')
        self.prepare(answer_file=own, windows=None, password_file=None)
        self.assertEqual(self.answer_file(), own.read_text(encoding="ascii"))
        self.forget()
        own.write_bytes(b"<unattend>\n<settings></unattend>")
        self.not_prepared("own.xml:2: is no answer file: ")
        own.write_bytes(b"<domain/>")
        self.not_prepared("is no answer file: it is a <domain>, not an <unattend>")
        own.write_bytes(b"")
        self.not_prepared("own.xml:")
        self.not_prepared("missing: cannot be read: No such file", answer_file=self.directory / "missing")

    def test_no_answers(self):
        """Nobody has said which Windows it is, so nothing is answered, and no password wanted."""
        self.prepare(windows=None, password_file=None)
        self.assertEqual(sorted(path.name for path in self.room.iterdir()), sorted([self.disk.name, self.mark.name]))

    def test_media(self):
        self.not_prepared("missing ([guest] iso) cannot be opened: No such file", iso=self.directory / "missing")
        self.not_prepared("([guest] iso) is no file", iso=self.directory)
        self.not_prepared("([guest] iso) is a qcow2 image of a disk, not of a CD or DVD", iso=super().disk()[0])
        self.not_prepared("is no image of a CD or DVD: it has neither", iso=self.raw())
        self.not_prepared("is no image of a CD or DVD: it has neither", iso=self.file("cut.iso", self.iso.read_bytes()[:32768]))
        self.not_prepared("is a zip archive: unpack it first", iso=self.file("windows.zip", b"PK\3\4" + bytes(70000)))
        self.not_prepared("([guest] virtio-iso) is no image of a CD or DVD", iso=self.iso, virtio_iso=self.raw())
        # UDF alone, as some tools write it: its descriptors are where ISO 9660's would be.
        udf = bytearray(300 << 10)
        for at, name in ((16, b"BEA01"), (17, b"NSR02"), (18, b"TEA01")):
            udf[at * 2048 + 1:at * 2048 + 6] = name
        self.prepare(iso=self.file("udf.iso", bytes(udf)), virtio_iso=None)

    def test_passwords(self):
        self.not_prepared("([guest] password-file) cannot be opened: No such file", password_file=self.directory / "missing")
        self.not_prepared("is no file", password_file=self.directory)
        self.configure(password_file=self.secret)
        for content, text in ((b"", "is empty"), (b"\n", "is empty"), (b"one\ntwo\n", "is more than one line"),
                              (b"zero\0byte", "zero byte"), (b"\xff\xfe", "is not valid UTF-8"), (b"x" * 128, "127 characters"),
                              (b"x" * 4096, "too long")):
            with self.subTest(content=content[:20]):
                self.secret.write_bytes(content)
                said = self.not_prepared(text)
                self.assertNotIn("two", said)
        self.secret.write_bytes(b"simple\n")
        self.prepare()
        self.forget()
        for password in (b"simple1", b"Ab1-", b"Casement-12"):
            self.secret.write_bytes(password)
            said = self.not_prepared("a server takes no password that is so simple", windows="2022")
            self.assertNotIn(password.decode(), said)
        self.secret.chmod(0o644)
        self.not_prepared("everybody may read it: take that away (chmod o-r)")

    def test_bad_values(self):
        for key, value, text in (
                ("user", "x" * 21, "is longer than"), ("user", "a/b", "has a character"), ("user", "...", "is no name"),
                ("language", "English", "is no language"), ("language", "de_DE", "is no language"), ("locale", "de-", "is no language"),
                ("locale", "0407:00000407", "is no language"), ("time-zone", "Europe/Berlin", "is no time zone of Windows"),
                ("time-zone", " Standard Time", "is no time zone"),
                ("product-key", "AAAAA-BBBBB-CCCCC-DDDDD", "is no product key"), ("product-key", PRO_KEY + "X", "is longer than a product key"),
                ("product-key", PRO_KEY.lower(), "is no product key")):
            with self.subTest(key=key, value=value):
                saved = dict(self.keys)
                said = self.not_prepared(text, **{key: value})
                self.assertIn(f"[guest] {key}: ", said)
                self.keys = saved

    def test_configuration(self):
        """What set-up would refuse after half an hour is refused at once."""
        for keys, text in (
                ({"source": self.iso}, "there is [guest] source, too"),
                ({"windows": "11", "firmware": "bios"}, "Windows 11 is not installed without uefi-secure"),
                ({"windows": "11", "tpm": "no"}, "Windows 11 is not installed without a TPM"),
                ({"windows": "11", "memory": "2G"}, "Windows 11 is not installed without 4G"),
                ({"windows": "11", "cpus": "1"}, "Windows 11 is not installed without two processors"),
                ({"windows": "11", "disk-size": "32G"}, "Windows 11 is not installed without a disk of 64G"),
                ({"windows": "2019", "disk-size": "16G"}, "Windows Server 2019 is not installed without a disk of 32G"),
                ({"windows": "10", "disk-size": "3T"}, "a disk of more than 2T needs"),
                ({"disk-size": "64"}, '"64" has no unit'), ({"disk-size": "big"}, '"big" is not a size'),
                ({"disk-size": "512M"}, '"512M" is not from 1G to 64T'), ({"disk-size": "65T"}, '"65T" is not from 1G to 64T'),
                ({"windows": "12"}, '"12" is none of: other, 10, 11, 2019, 2022, 2025')):
            with self.subTest(keys=keys):
                saved = dict(self.keys)
                self.not_prepared(text, **keys)
                self.keys = saved

    def test_no_room(self):
        """What is installed takes as much as its medium at least; and a volume that is too small for the disk is said."""
        small = self.directory / "small"
        small.mkdir()
        self.room, self.disk = small, small / "windows.qcow2"
        lab.tool("mount", "-t", "tmpfs", "-o", "size=1m", "none", small)
        self.addCleanup(lab.tool, "umount", small)
        big = self.file("big.iso", self.iso.read_bytes().ljust(2 << 20, b"\0"))
        self.not_prepared("needs 2 MiB in", code=lab.UNAVAILABLE, iso=big, disk=self.disk)
        text = self.prepare(iso=self.iso)
        self.assertRegex(text, "warning image: .*: the guest is paused when there is no room")

    def test_template_with_a_mistake(self):
        self.configure()
        template = self.file("template.xml", b"<unattend>@usre@</unattend>")
        self.refused('template.xml: "@usre@" stands for nothing', "prepare", "--template", template, code=lab.UNAVAILABLE)
        self.refused("cannot be read: No such file", "prepare", "--template", self.directory / "missing")


if __name__ == "__main__":
    unittest.main()
