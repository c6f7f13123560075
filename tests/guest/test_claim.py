"""Two containers on one storage volume: two worlds, each with a libvirtd of its own, and one directory."""
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import world


class ClaimTest(unittest.TestCase):
    def setUp(self):
        self.directories = []
        self.keepers = []
        self.first, self.second = self.world(), self.world()

    def world(self):
        one = world.World()
        self.addCleanup(one.close)
        one.daemons()
        return one

    def directory(self):
        path = tempfile.mkdtemp(prefix="casement-claim.", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, path)
        os.chmod(path, 0o755)
        return path

    def share(self, path, *worlds):
        directory = self.directory()
        for one in worlds:
            one.command("mount", "--bind", directory, path)
        return directory

    def check(self, disk):
        return subprocess.run(["qemu-img", "check", "-U", disk], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)

    def refused(self, one, words):
        keeper = one.start()
        self.assertEqual(keeper.wait(60), 69, keeper.log())
        self.assertIn(words, keeper.last_line())
        self.assertIn("give each container a volume of its own", keeper.last_line())
        self.assertFalse(keeper.qemu)
        self.assertEqual(one.virsh("list", "--all", "--name").split(), [], "libvirtd was not even asked")

    def test_one_at_a_time(self):
        storage = self.share("/storage", self.first, self.second)
        self.first.put_image("mini", "/storage/windows.qcow2")
        keeper = self.first.start()
        keeper.wait_answering()
        before = {name: os.stat(f"{storage}/{name}") for name in os.listdir(storage)}
        with self.subTest("the first one runs"):
            self.refused(self.second, f"in use by another container, with the host name {os.uname().nodename}: stop")
        with self.subTest("the first one's casement-guest is dead, its QEMU is not"):
            keeper.kill(signal.SIGKILL)
            keeper.wait()
            self.assertTrue(self.first.alive(keeper.qemu))
            self.refused(self.second, "a QEMU or a qemu-img writes to it")
        with self.subTest("it is back"):
            again = self.first.start()
            again.wait_answering()
            self.assertEqual(again.qemu, keeper.qemu)
            self.refused(self.second, "in use by another container")
            self.assertNotIn("has just claimed", again.log())
        with self.subTest("nothing of the first one was touched"):
            self.assertEqual(set(os.listdir(storage)), set(before))
            for name, status in before.items():
                now = os.stat(f"{storage}/{name}")
                self.assertEqual((now.st_ino, now.st_uid, now.st_gid, now.st_mode),
                                 (status.st_ino, status.st_uid, status.st_gid, status.st_mode), name)
            self.assertIsNone(again.status())
            self.assertTrue(self.first.control("uptime"))
        with self.subTest("it has ended"):
            again.kill(signal.SIGTERM)
            self.assertEqual(again.wait(), 0, again.log())
            self.assertEqual(self.check(f"{storage}/windows.qcow2").returncode, 0)
            self.first.settle()
            other = self.second.start()
            other.wait_answering()
        with self.subTest("the other one, too, without a word"):
            self.second.process.kill()
            self.second.process.wait()
            world.World.until(self.first, "its end", 30, lambda: not os.path.exists(f"/proc/{self.second.inner}"))
            last = self.first.start()
            last.wait_answering()
            last.kill(signal.SIGTERM)
            self.assertEqual(last.wait(), 0, last.log())
            self.first.settle()
            self.assertEqual(self.check(f"{storage}/windows.qcow2").returncode, 0)

    def test_a_base_is_everybodys(self):
        images = self.share("/images", self.first, self.second)
        self.first.put_base("mini")
        before = os.stat(f"{images}/windows.qcow2")
        keepers = [one.start() for one in (self.first, self.second)]
        for keeper in keepers:
            keeper.wait_answering()
        for keeper in keepers:
            keeper.kill(signal.SIGTERM)
            self.assertEqual(keeper.wait(), 0, keeper.log())
        after = os.stat(f"{images}/windows.qcow2")
        self.assertEqual((after.st_uid, after.st_mtime_ns, after.st_ctime_ns),
                         (before.st_uid, before.st_mtime_ns, before.st_ctime_ns))
        self.assertEqual(os.listdir(images), ["windows.qcow2"])


if __name__ == "__main__":
    unittest.main()
