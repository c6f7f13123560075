"""Debian's Vagrant: it takes the boxes that are made here, and what it packs is taken here.

Where Debian has no Vagrant there is no test.
"""
import os
import shutil
import subprocess
import unittest

import lab


class WithVagrant:
    def vagrant(self, *words, good=True):
        done = subprocess.run(["vagrant", *(str(word) for word in words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300, check=False, cwd=self.directory,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.directory), "LC_ALL": "C.UTF-8",
                                   "VAGRANT_HOME": str(self.directory / "vagrant"), "VAGRANT_CHECKPOINT_DISABLE": "1",
                                   "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1"})
        if good:
            self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_both_ways(self):
        """The box that our tests use is one to Vagrant; what Vagrant packs of it is one to us."""
        box = self.box(lab.metadata(), lab.member("./Vagrantfile", b'Vagrant.configure("2") do |c|\nend\n'),
                       lab.member("./box.img", self.qcow2_bytes()))
        self.vagrant("box", "add", "--name", "acme/windows", box)
        self.assertIn("libvirt", self.vagrant("box", "list"))
        self.vagrant("box", "repackage", "acme/windows", "libvirt", "0")
        packed = self.directory / "package.box"
        self.assertTrue(packed.exists(), os.listdir(self.directory))
        self.bring(packed)
        self.good_image(self.raw())

    def test_traps(self):
        """What is refused here is no box to Vagrant either."""
        box = self.box(lab.member("box.img", self.qcow2_bytes()))
        self.assertNotIn("Successfully", self.vagrant("box", "add", "--name", "acme/none", box, good=False))


if shutil.which("vagrant"):
    class VagrantTest(WithVagrant, lab.ImageTest):
        pass


if __name__ == "__main__":
    unittest.main()
