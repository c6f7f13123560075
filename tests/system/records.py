"""The journal that mini writes on its disk, as tests/guests/README.md describes it, read from the image."""
import os
import tempfile
import zlib

import harness

PORT = "10/tcp"
BEGIN = 32 << 20
RECORD = 64 << 10
MAGIC = b"JOURNAL1"


class Lost(AssertionError):
    """A record that was acknowledged is not there, or not as it was written."""


def make_room(disk, size="1G"):
    """The journal needs a disk that is larger than the image."""
    harness.run("qemu-img", "resize", "-q", str(disk), size)


def ask(guest, word):
    """How many records the guest says are past every cache."""
    with guest.connect(10) as connection:
        connection.sendall(word.encode() + b"\n")
        answer = connection.makefile(encoding="ascii").readline().split()
    if answer[:1] != ["ok"]:
        raise AssertionError(f"the journal answers {' '.join(answer)!r}")
    return int(answer[1])


def is_good(record, number):
    checksum = zlib.crc32(record[20:], zlib.crc32(record[:16]))
    return (len(record) == RECORD and record[:8] == MAGIC and record[8:20] == number.to_bytes(8, "little") +
            checksum.to_bytes(4, "little"))


def count(raw, acknowledged):
    """The records of a raw image, all of them good and without a gap, at least as many as were @acknowledged.

    One more may be torn: it was being written when the machine went.
    """
    with open(raw, "rb") as file:
        file.seek(BEGIN)
        number = 0
        while is_good(file.read(RECORD), number):
            number += 1
        if number < acknowledged:
            raise Lost(f"record {number} is bad, and {acknowledged} were acknowledged")
        later = number + 1
        while (record := file.read(RECORD)).strip(b"\0"):
            if is_good(record, later):
                raise Lost(f"record {number} is bad, and record {later} is good")
            later += 1
        return number


def verify(disk, acknowledged):
    """count() of a disk image of whatever format."""
    with tempfile.TemporaryDirectory(prefix="casement-records-", dir="/var/tmp") as directory:
        raw = os.path.join(directory, "raw")
        harness.run("qemu-img", "convert", "-O", "raw", str(disk), raw)
        return count(raw, acknowledged)
