"""Users and groups come from /etc/passwd and /etc/group; PID 1 loads no module of nsswitch.conf to ask others."""
import unittest

from harness import Case, script

FILES = ("printf 'root:x:0:0::/:/bin/sh\\nvictim:x:54321:54320::/:/bin/sh\\n' >/run/passwd && "
         "printf 'root:x:0:\\nown:x:54320:victim\\nextra:x:54322:other,victim\\nother:x:54323:victims\\nlast:x:54324:victim\\n' "
         ">/run/group && printf 'passwd: files systemd\\ngroup: files systemd\\n' >/run/nsswitch && "
         "mount --bind /run/passwd /etc/passwd && mount --bind /run/group /etc/group && "
         "mount --bind /run/nsswitch /etc/nsswitch.conf")


class Accounts(Case):
    def test_user(self):
        """Its own group and every other that names it, each once."""
        pid1 = self.start(script("m", "show ids pause", user="victim"), before=FILES)
        pid1.wait_line("info m: shown")
        self.assertLines(pid1, ["info m: Uid:\t" + "\t".join(["54321"] * 4), "info m: Gid:\t" + "\t".join(["54320"] * 4),
                                "info m: Groups:\t54320 54322 54324 "], "info m: [UG]")
        pid1.stop()

    def test_group(self):
        pid1 = self.start(script("m", "show ids pause", user="victim", group="other"), before=FILES)
        pid1.wait_line("info m: shown")
        self.assertLines(pid1, ["info m: Gid:\t" + "\t".join(["54323"] * 4)], "info m: Gid")
        pid1.stop()

    def test_no_module(self):
        """There is no group casement, for the status socket: whoever else might know one is not asked."""
        pid1 = self.start(script("m", "pause"), before=FILES)
        pid1.wait_state("m", "ready")
        with open(f"/proc/{pid1.pid}/maps", encoding="utf-8", errors="replace") as file:
            self.assertNotIn("libnss", file.read())
        pid1.stop()

    def test_no_files(self):
        """An image that has neither file."""
        code, pid1 = self.run_to_end(script("m", "exit 0", main="yes", user="root"),
                                     before="mount -t tmpfs tmpfs /etc")
        self.assertEqual(code, 78)
        self.assertTrue(pid1.matches(r"\[service m\] user: there is no user root$"), pid1.text())


if __name__ == "__main__":
    unittest.main()
