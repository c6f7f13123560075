"""A file system under the guest's disk that is full: the guest waits for room, and nothing that it wrote is lost."""
import ast
import contextlib
import signal
import struct
import time
import unittest
import zlib

import world

SIZE, BEGIN, RECORD = 128 << 20, 32 << 20, 64 << 10  # of the disk, and of mini's journal: tests/guests/README.md
CAPACITY = (SIZE - BEGIN) // RECORD
DISK = "/storage/windows.qcow2"


class FullTest(world.WorldTest):
    def setUp(self):
        super().setUp()
        self.world.put_base("mini")
        # Room for half of the journal, and a file that takes half of that.
        self.world.command("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "none", "/storage")
        self.addCleanup(self.world.command, "umount", "/storage")
        self.world.command("fallocate", "-l", "24M", "/storage/filler")
        self.world.command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "/images/windows.qcow2", DISK,
                           str(SIZE))

    def journal(self, word):
        """Its answer: how many records are safe, or what it says instead."""
        answer = ast.literal_eval(self.world.control(word, port=10, timeout=10)).decode()
        return int(answer.split()[1]) if answer.startswith("ok") else answer

    def fill_up(self, **env):
        """A guest that has written until it was paused, and how many records were safe a moment before."""
        keeper = self.start(**env)
        keeper.wait_answering()
        self.journal("start")
        count = 0
        with contextlib.suppress(AssertionError):  # it is paused before it can answer
            while keeper.fields()["GUEST_STATE"] != "paused" and count < 50:
                count = self.journal("count")
        keeper.wait_field("GUEST_STATE", "paused")
        self.assertEqual(keeper.fields()["GUEST_REASON"], "ENOSPC")
        self.assertEqual(keeper.fields()["STATUS"], "the guest is paused: ENOSPC")
        return keeper, count

    def make_room(self):
        self.world.command("mount", "-o", "remount,size=512m", "/storage")

    def check(self):
        """The image is sound; how many records in a row there are, each of them whole."""
        self.world.settle()
        self.assertIn("No errors were found", self.world.command("qemu-img", "check", DISK))
        self.world.command("qemu-img", "convert", "-O", "raw", DISK, "/run/raw")
        self.addCleanup(self.world.command, "rm", "-f", "/run/raw")
        with self.world.path("/run/raw").open("rb") as raw:
            raw.seek(BEGIN)
            for number in range(CAPACITY):
                record = raw.read(RECORD)
                magic, found, checksum = struct.unpack("<8sQI", record[:20])
                if magic != b"JOURNAL1" or found != number or checksum != zlib.crc32(record[20:], zlib.crc32(record[:16])):
                    return number
        return CAPACITY

    def test_it_goes_on_by_itself_when_there_is_room(self):
        keeper, _ = self.fill_up()
        # It is looked after, and not resumed before there is room.
        time.sleep(2.5)
        self.assertEqual(keeper.fields()["GUEST_STATE"], "paused")
        self.assertNotIn("there is room", keeper.log())
        self.assertEqual(keeper.fields()["RDP"], "unknown")
        pauses = keeper.log().count("the guest is paused: ENOSPC")
        self.world.command("rm", "/storage/filler")
        keeper.wait_line("there is room for the guest's disk again", 60)
        keeper.wait_line("the guest goes on", 60)
        # What was freed is soon full again, which is nothing new.
        self.world.until("the next pause", 60, lambda: keeper.log().count("the guest is paused: ENOSPC") > pauses)
        keeper.wait_field("GUEST_STATE", "paused", 60)
        self.make_room()
        keeper.wait_answering()
        self.assertEqual(keeper.fields()["GUEST_REASON"], "")
        # The guest never saw an error but the end of its own disk.
        self.world.until("the end of the journal", 120, lambda: "error after" in str(self.journal("count")))
        self.assertIn(f"error after {CAPACITY}: No space left", self.journal("count"))
        self.stop_cleanly(keeper)
        self.assertEqual(self.check(), CAPACITY)
        resumed = [line for line in keeper.lines() if "resuming the guest" in line]
        print(f"attempts to go on: {len(resumed)}, pauses: {keeper.log().count('the guest is paused: ENOSPC')}")

    def test_a_stop_while_it_waits_keeps_its_deadline(self):
        keeper, count = self.fill_up(CASEMENT_STOP_TIMEOUT="6s", CASEMENT_STOP_RESEND="1s")
        start = time.monotonic()
        keeper.kill(signal.SIGTERM)
        # It is resumed for the button, and stands still again: its writes cannot end.
        self.assertEqual(keeper.wait(60), 10, keeper.log())
        self.assertLess(time.monotonic() - start, 6 + 15, keeper.log())
        self.assertFalse(self.world.alive(keeper.qemu))
        self.assertIn("resuming the guest, so that it can shut down", keeper.log())
        self.assertGreaterEqual(self.check(), count)

    def test_room_in_the_middle_of_a_stop_is_in_time(self):
        keeper, count = self.fill_up(CASEMENT_STOP_TIMEOUT="100s", CASEMENT_STOP_RESEND="1s")
        keeper.kill(signal.SIGTERM)
        keeper.wait_line("resuming the guest, so that it can shut down")
        self.make_room()
        self.assertEqual(keeper.wait(120), 0, keeper.log())
        self.assertGreaterEqual(self.check(), count)

    def test_a_keeper_that_finds_it_paused_looks_after_it(self):
        keeper, _ = self.fill_up()
        keeper.kill(signal.SIGKILL)
        keeper.wait()
        second = self.start()
        second.wait_field("GUEST_REASON", "ENOSPC")
        self.make_room()
        second.wait_answering()
        self.stop_cleanly(second)
        self.assertGreater(self.check(), 0)


if __name__ == "__main__":
    unittest.main()
