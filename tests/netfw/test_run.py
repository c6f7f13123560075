"""`run`: it stays, follows the configuration, puts right what others change, and counts."""
import re
import socket
import subprocess
import threading
import time
import unittest

import lab
from lab import CONTAINER, CONTAINER4, GUEST, OUTSIDE, SOON

CONFIG = "[network]\nforwards = 3389/tcp 3390/tcp\n"
UDP = socket.SOCK_DGRAM
# A repair takes some milliseconds (tests/bench/netfw_bench.py); shorter than the next time that counters are read, which would
# notice a table that is gone, too.
BEFORE_COUNTERS = 4.5


class Run(lab.Lab):
    def setUp(self):
        self.keeper = self.keep(CONFIG)
        self.listener = self.keeper.listener
        self.addCleanup(self.netfw, "down")
        self.addCleanup(lambda: self.keeper.process.poll() is None and self.keeper.stop())

    def plugged(self):
        self.plug()
        self.addCleanup(self.net.ip, CONTAINER, "link", "del", "vnet0")

    def connect(self, port):
        """A connection from outside through a forward, and its stream behind the greeting."""
        client = self.net.socket(OUTSIDE, CONTAINER4)
        self.addCleanup(client.close)
        client.connect((CONTAINER4, port))
        stream = client.makefile("rb")
        self.addCleanup(stream.close)
        stream.readline()
        return client, stream

    def assert_echo(self, client, stream, text=b"still here\n"):
        client.sendall(text)
        self.assertEqual(stream.readline(), text)

    def test_ready(self):
        fields = self.listener.fields
        self.assertEqual(fields["X_CASEMENT_GUEST_ADDRESS"], "192.168.121.68")
        self.assertEqual(fields["STATUS"], "virbr1 has 192.168.121.1/24, the guest 192.168.121.68, 2 forwards")
        self.assertEqual(self.netinfo()["bridge"], "virbr1")
        self.assertEqual(set(self.listener.table()[0]),
                         {("tcp", 3389, 3389, 3389, False), ("tcp", 3390, 3390, 3390, False)})

    def test_stop(self):
        """It leaves, and leaves everything as it is: the guest may still be there."""
        table = self.table()
        self.assertEqual(self.keeper.stop(), 0)
        self.assertEqual(self.table(), table)
        self.assertIn("virbr1", self.net.ip(CONTAINER, "-br", "link"))

    def test_killed(self):
        """The next one goes on where it was: the same rules, untouched."""
        self.plugged()
        self.serve(GUEST, "0.0.0.0", 3389)
        client, stream = self.connect(3389)
        handles = self.net.exec(CONTAINER, "nft", "-a", "list", "chains")
        self.keeper.process.kill()
        self.keeper.process.wait(SOON)
        self.listener.close()
        self.keeper = self.keep(CONFIG)
        self.assertEqual(self.net.exec(CONTAINER, "nft", "-a", "list", "chains"), handles)
        self.assert_echo(client, stream)
        rows, _ = self.keeper.listener.table()
        self.assertGreater(rows["tcp", 3389, 3389, 3389, False][0], 2)

    # The configuration is read again.

    def test_reload(self):
        """One forward goes, one comes; a connection through the third does not notice, one through the first ends."""
        self.plugged()
        for port in (3389, 3390, 3391):
            self.serve(GUEST, "0.0.0.0", port)
        stays, leaves = self.connect(3389), self.connect(3390)
        fields = self.keeper.reload("[network]\nforwards = 3389/tcp 3391/tcp\n")
        self.assertEqual(fields["X_CASEMENT_RELOAD"], "ok")
        self.assertIn("2 forwards", fields["STATUS"])
        self.assertEqual(set(self.listener.table()[0]),
                         {("tcp", 3389, 3389, 3389, False), ("tcp", 3391, 3391, 3391, False)})
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3391)[0], GUEST)
        with self.assertRaises(ConnectionRefusedError):
            self.ask_tcp(OUTSIDE, CONTAINER4, 3390)
        self.assert_echo(*stays)
        with self.assertRaises(ConnectionResetError):
            leaves[0].sendall(b"?\n")
            leaves[1].readline()

    def test_reload_keeps_connections(self):
        """[network] on-remove = keep: new connections are refused, the old one goes on."""
        self.plugged()
        self.serve(GUEST, "0.0.0.0", 3390)
        stays = self.connect(3390)
        self.keeper.reload("[network]\nforwards = 3389/tcp\non-remove = keep\n")
        with self.assertRaises(ConnectionRefusedError):
            self.ask_tcp(OUTSIDE, CONTAINER4, 3390)
        self.assert_echo(*stays)

    def test_reload_twenty_times(self):
        """Twenty tables, built anew each time, under a busy connection: no error, no pause."""
        self.plugged()
        self.serve(GUEST, "0.0.0.0", 3389)
        client, stream = self.connect(3389)
        done, gaps = threading.Event(), []

        def talk():
            """Questions and answers without a pause, and the longest one of them."""
            while not done.is_set():
                begin = time.monotonic()
                client.sendall(b"?\n")
                if stream.readline() != b"?\n":
                    return
                gaps.append(time.monotonic() - begin)
        talker = threading.Thread(target=talk)
        talker.start()
        for i in range(20):
            source = ("preserve", "masquerade")[i % 2]
            fields = self.keeper.reload(f"[network]\nforwards = 3389/tcp {4000 + i}/tcp\nsource = {source}\n")
            self.assertEqual(fields["X_CASEMENT_RELOAD"], "ok")
        self.assertTrue(talker.is_alive(), "the connection has ended")
        done.set()
        talker.join(SOON)
        self.assertGreater(len(gaps), 20)
        # A lost segment would have been sent again after 200 ms at the earliest; of a busy machine no more can be said.
        self.assertLess(sorted(gaps)[len(gaps) * 9 // 10], 0.2)
        # Counters go on, too; only what passes in the milliseconds of a change is in none of the two tables.
        self.assertGreaterEqual(self.packets("original", "tcp", 3389)[0], len(gaps) // 4)

    def test_bad_configuration(self):
        """Nothing changes; every mistake is in the log, the first one in the status."""
        table = self.table()
        fields = self.keeper.reload("[network]\nforwards = 3389 0 70000/tcp 3389/sctp\ncolour = blue\n")
        self.assertEqual(fields["X_CASEMENT_RELOAD"], "failed")
        self.assertRegex(fields["X_CASEMENT_RELOAD_REASON"], r'entry 2, "0".* \(and 3 more, see the log\)$')
        for words in ('entry 2, "0"', 'entry 3, "70000/tcp"', 'entry 4, "3389/sctp"', "colour"):
            self.assertIn(words, self.keeper.log())
        self.assertEqual(self.table(), table)
        self.assertEqual(len(self.listener.table()[0]), 2)
        # And it can be mended.
        self.assertEqual(self.keeper.reload(CONFIG)["X_CASEMENT_RELOAD"], "ok")

    def test_what_needs_a_restart(self):
        """The network of a running guest stays; the forwards of the same file are applied."""
        before = self.net.ip(CONTAINER, "-br", "addr")
        self.keeper.reload("[network]\nforwards = 80/tcp\nsubnet = 10.9.8.0/24\nbridge = other0\n")
        self.assertEqual(self.net.ip(CONTAINER, "-br", "addr"), before)
        self.assertIn("tcp . 80 : 192.168.121.68 . 80", self.table())

    # Others change the rules.

    def repaired(self, *commands):
        """Whatever nft does is put right at once; counted, and said once."""
        before, repairs = self.table(), self.listener.table()[1]
        self.net.exec(CONTAINER, "nft", "; ".join(commands))
        deadline = time.monotonic() + BEFORE_COUNTERS
        while self.table() != before or self.listener.table()[1] != repairs + 1:
            self.assertLess(time.monotonic(), deadline, f"{commands}: not put right")
            time.sleep(0.02)

    def test_flush(self):
        self.plugged()
        self.serve(GUEST, "0.0.0.0", 3389)
        self.connect(3389)
        # Which reads the counters: what was read last is where they go on.
        self.keeper.reload(CONFIG)
        counted = self.listener.table()[0]["tcp", 3389, 3389, 3389, False]
        self.assertGreater(counted[0], 2)
        self.repaired("flush ruleset")
        self.assertEqual(self.ask_tcp(OUTSIDE, CONTAINER4, 3389)[0], GUEST)
        self.assertIn("somebody has changed the rules", self.keeper.log())
        self.assertGreater(self.packets("original", "tcp", 3389)[0], counted[0])

    def test_within_a_second(self):
        """A flush is repaired within a second; of several the fastest, whatever else the machine does."""
        times = []
        for _ in range(5):
            begin = time.monotonic()
            self.repaired("flush ruleset")
            times.append(time.monotonic() - begin)
        self.assertLess(min(times), 1)

    def test_tampering(self):
        """Every kind of change is noticed: a rule, its place, a set, an element, a chain's policy, sleep."""
        table = "inet casement"
        listed = self.net.exec(CONTAINER, "nft", "-a", "list", "table", "inet", "casement")
        handle = re.search(r"ct state established,related accept # handle (\d+)", listed)[1]
        for commands in (
                [f"delete rule {table} to_guest handle {handle}"],
                [f"add rule {table} to_guest accept"],
                [f"insert rule {table} forward drop"],
                [f"flush chain {table} guard"],
                [f"add chain {table} intruder"],
                [f"add set {table} intruder {{ type ipv4_addr; }}"],
                [f"delete element {table} fwd4 {{ tcp . 3389 }}"],
                [f"add element {table} fwd4 {{ tcp . 5900 : 192.168.121.68 . 5900 }}"],
                [f"delete element {table} fwd4 {{ tcp . 3389 }}",
                 f"add element {table} fwd4 {{ tcp . 3389 : 192.168.121.99 . 3389 }}"],
                [f"add element {table} rng4 {{ tcp . 6000-6010 : 192.168.121.68 }}"],
                [f"add element {table} rng4 {{ 6-17 . 6000-6010 : 192.168.121.68 }}"],
                [f"add element {table} count_ranges {{ original . tcp . 6000-6010 }}"],
                [f"add element {table} count_ports {{ original . sctp . 5 counter }}"],
                [f"add counter {table} intruder"],
                [f"add chain {table} forward {{ policy drop; }}"],
                [f"add table {table} {{ flags dormant; }}"],
                [f"delete table {table}"],
        ):
            with self.subTest(commands):
                self.repaired(*commands)

    def test_others_business(self):
        """Changes of other tables are looked at and left alone."""
        before = self.net.exec(CONTAINER, "nft", "-a", "list", "table", "inet", "casement")
        self.net.exec(CONTAINER, "nft", "add table inet other; add chain inet other c; delete table inet other")
        self.repaired("delete element inet casement fwd4 { tcp . 3389 }")
        self.assertEqual(lab.canonical(self.net.exec(CONTAINER, "nft", "-a", "list", "table", "inet", "casement")),
                         lab.canonical(before))
        self.assertEqual(self.listener.table()[1], 1)

    def test_storm(self):
        """A program that flushes all the time is answered a few times a second, not as often as it likes."""
        script = "i=0; while [ $i -lt 150 ]; do nft delete table inet casement 2>/dev/null; i=$((i + 1)); done"
        table, begin = self.table(), time.monotonic()
        self.net.exec(CONTAINER, "sh", "-c", script)
        took = time.monotonic() - begin
        lab.until("the rules are back", lambda: self.table() == table)
        self.assertLessEqual(self.listener.table()[1], 2 + 10 * took)
        self.assertGreaterEqual(self.listener.table()[1], 1)

    def test_busy_neighbours(self):
        """Another program changes its own table all the time: a reload works all the same."""
        script = "i=0; while [ $i -lt 300 ]; do nft 'add table inet other; delete table inet other'; i=$((i + 1)); done"
        with subprocess.Popen(["ip", "netns", "exec", self.net.prefix + CONTAINER, "sh", "-c", script]) as other:
            for i in range(10):
                fields = self.keeper.reload(f"[network]\nforwards = 3389/tcp {4000 + i}/tcp all/udp\n")
                self.assertEqual(fields["X_CASEMENT_RELOAD"], "ok")
            self.assertEqual(other.wait(300), 0)
        self.assertIn("tcp . 4009 ", self.table())
        self.assertEqual(self.listener.table()[1], 0)

    # Counting.

    def test_counters(self):
        """Each direction, each forward by itself; what passes a remapped port belongs to that."""
        self.keeper.reload("[network]\nforwards = 3389, 13389:3389/tcp, 40000-40010, 5000-5002:6000-6002/tcp, all/udp\n")
        self.plugged()
        for port in (3389, 40000, 40010, 6001):
            self.serve(GUEST, "0.0.0.0", port)
        for port in (40005, 9999):
            self.serve(GUEST, "0.0.0.0", port, UDP)
        for port in (3389, 13389, 13389, 40000, 40010, 5001):
            self.ask_tcp(OUTSIDE, CONTAINER4, port)
        for port in (40005, 9999):
            self.ask_udp(OUTSIDE, CONTAINER4, port)
        # From inside of the container, and from the guest itself.
        self.ask_tcp(CONTAINER, "127.0.0.1", 3389)
        self.ask_tcp(GUEST, CONTAINER4, 3389)
        rows = {}

        def counted():
            # Row by row: the keeper may be in the midst of writing them.
            rows.update(self.listener.table()[0])
            # SYN, its ACK, a FIN or two: at least four packets of a connection in each direction.
            return (rows["tcp", 3389, 3389, 3389, False][0] >= 9 and rows["tcp", 13389, 13389, 3389, False][0] >= 6 and
                    rows["tcp", 40000, 40010, 40000, False][2] >= 6 and rows["tcp", 5000, 5002, 6000, False][0] >= 3 and
                    all(rows["udp", 40000, 40010, 40000, False][:3]) and all(rows["udp", 1, 65535, 1, True][:3]))
        lab.until("the counters are in the table", counted)
        # A datagram of one byte in, its answer out.
        self.assertEqual(rows["udp", 40000, 40010, 40000, False][:2], (1, 29))
        self.assertEqual(rows["udp", 40000, 40010, 40000, False][2], 1)
        self.assertEqual(rows["udp", 1, 65535, 1, True][:3], (1, 29, 1))
        self.assertEqual(rows["udp", 3389, 3389, 3389, False], (0, 0, 0, 0))
        # `show` asks the kernel.
        shown = self.netfw("show", "[network]\nforwards = 3389\n")
        self.assertRegex(shown, r"original \. tcp \. 3389 counter packets (9|\d\d) bytes \d{3,}")

    def test_counter_never_goes_back(self):
        """`all` loses a port to a forward of its own, somebody empties the set: what was counted stays."""
        row = "tcp", 1, 65535, 1, True
        self.keeper.reload("[network]\nforwards = all/tcp\n")
        self.plugged()
        self.serve(GUEST, "0.0.0.0", 5000)
        self.ask_tcp(OUTSIDE, CONTAINER4, 5000)
        self.keeper.reload("[network]\nforwards = all/tcp 80:8080/tcp\n")
        counted = self.listener.table()[0][row][0]
        self.assertGreaterEqual(counted, 3)
        self.ask_tcp(OUTSIDE, CONTAINER4, 5000)
        self.keeper.reload("[network]\nforwards = all/tcp 3389/tcp\n")
        self.assertGreater(self.listener.table()[0][row][0], counted)
        self.serve(GUEST, "0.0.0.0", 3389)
        for _ in range(3):
            self.ask_tcp(OUTSIDE, CONTAINER4, 3389)
        self.keeper.reload("[network]\nforwards = all/tcp 3389/tcp\n")
        single = self.listener.table()[0]["tcp", 3389, 3389, 3389, False][0]
        self.net.exec(CONTAINER, "nft", "flush set inet casement count_ports")
        self.ask_tcp(OUTSIDE, CONTAINER4, 3389)
        self.keeper.reload("[network]\nforwards = all/tcp 3389/tcp\n")
        self.assertGreater(self.listener.table()[0]["tcp", 3389, 3389, 3389, False][0], single)

    def test_no_traffic_is_not_counted(self):
        """The guest's own connections, and what the container itself has with the guest, are no forward's."""
        self.plugged()
        self.serve(OUTSIDE, "0.0.0.0", 3389)
        self.serve(GUEST, "0.0.0.0", 3389)
        self.ask_tcp(GUEST, lab.OUTSIDE4, 3389)
        self.ask_tcp(CONTAINER, lab.GUEST4, 3389)
        self.assertEqual(self.packets("original", "tcp", 3389), (0, 0))
        self.assertEqual(self.packets("reply", "tcp", 3389), (0, 0))

    # One at a time.

    def test_alone(self):
        """`up` and `down` by hand would be undone, or undo: they say who is there and what to do."""
        table = self.table()
        for verb in ("up", "down", "run"):
            with self.subTest(verb):
                said = self.netfw(verb, CONFIG, code=1)
                self.assertIn(f"pid {self.keeper.process.pid}, keeps the network", said)
                self.assertIn("SIGHUP", said)
        self.assertEqual(self.table(), table)
        self.assertIn("table inet casement", self.netfw("show", CONFIG))


if __name__ == "__main__":
    unittest.main()
