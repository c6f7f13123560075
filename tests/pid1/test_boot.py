"""From exec to the first service: options, configuration, preflight, devices, what an earlier run left; and doing nothing."""
import json
import os
import signal
import socket
import stat
import subprocess
import time
import unittest

from harness import CASEMENT, CLOCKJUMP, ENVIRONMENT, Case, script, state_of, status_field, wait_until

MAIN = script("m", "trap 15 0 0 ready pause", type="notify", main="yes")
CAP_NET_ADMIN, CAP_NET_RAW = 12, 13


class Options(Case):
    """What can be asked of it without starting anything."""

    def call(self, *arguments):
        done = subprocess.run([CASEMENT, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_version(self):
        code, out, err = self.call("--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^casement \d+\.\d+\.\d+\n$")

    def test_help(self):
        code, out, err = self.call("--help")
        self.assertEqual((code, err), (0, ""))
        for word in ("--config FILE", "--check", "--keys", "--version", "Exit codes"):
            self.assertIn(word, out)

    def test_keys(self):
        code, out, err = self.call("--keys")
        self.assertEqual((code, err), (0, ""))
        rows = [line.split("\t") for line in out.splitlines()]
        self.assertTrue(all(len(row) == 5 and all(row) for row in rows))
        self.assertIn(["stop", "timeout", "duration", "110s"], [row[:4] for row in rows])
        self.assertIn("service NAME", {row[0] for row in rows})

    def test_usage_errors(self):
        for arguments in (["--nonsense"], ["--config"], ["-x"], ["--check", "now"], ["/bin/sh"], ["--version=2"]):
            with self.subTest(arguments=arguments):
                code, out, err = self.call(*arguments)
                self.assertEqual((code, out), (64, ""))
                self.assertTrue(err)

    def test_output_that_nobody_takes(self):
        """--keys into a full device says so by its exit code."""
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CASEMENT, "--keys"], env=ENVIRONMENT, stdout=full, stderr=subprocess.DEVNULL, timeout=30,
                                  check=False)
        self.assertNotEqual(done.returncode, 0)


class Configuration(Case):
    """78, and every mistake in one run."""

    def test_every_mistake(self):
        code, pid1 = self.run_to_end("[guest]\ncpus = many\n[stop]\ntimeout = soon\nnonsense\n[service a]\nexec = /bin/true\n"
                                     "after = b\ncolour = red\n[service c]\ntype = simple\n",
                                     environment={"CASEMENT_LOG_LEVEL": "loud", "CASEMENT_TYPO": "1"})
        self.assertEqual(code, 78)
        self.assertEqual([line.replace(pid1.config, "conf") for line in pid1.lines[:-1]], [
            "error casement: conf:5: is neither a [section] nor a key = value line",
            "error casement: CASEMENT_TYPO: no section and key have this name; `casement --keys` lists them",
            'error casement: conf:2: [guest] cpus: "many" is neither a number from 1 to 255 nor max',
            'error casement: conf:4: [stop] timeout: "soon" is not a duration such as 90s, 500ms, 2m or 1h',
            "error casement: conf:9: [service a] colour: there is no such key; `casement --keys` lists them",
            'error casement: CASEMENT_LOG_LEVEL: "loud" is none of: error, warning, info, debug',
            'error casement: conf:8: [service a] after: there is no service "b"',
            "error casement: [service c]: the service has no exec"])

    def test_no_such_file(self):
        code, pid1 = self.run_to_end(arguments=["--config", "/no/such/file"])
        self.assertEqual(code, 78)
        self.assertLines(pid1, ["error casement: /no/such/file: cannot be read: No such file or directory"], "")

    def test_not_a_file(self):
        """PID 1 does not wait for somebody who writes into a FIFO."""
        fifo = self.fifo()
        code, pid1 = self.run_to_end(arguments=["--config", fifo])
        self.assertEqual(code, 78)
        self.assertLines(pid1, [f"error casement: {fifo}: is not a regular file"], "")

    def test_unknown_names(self):
        code, pid1 = self.run_to_end([script("a", "exit 0", user="nobody-has-it"), script("b", "exit 0", group="nor-that"),
                                      script("c", "exit 0", capabilities="NET_ADMIN FLY")])
        self.assertEqual(code, 78)
        self.assertEqual(pid1.lines[:-1], ["error casement: [service a] user: there is no user nobody-has-it",
                                           "error casement: [service b] group: there is no group nor-that",
                                           "error casement: [service c] capabilities: there is no capability FLY"])

    def test_places_in_their_order(self):
        """Shipped defaults, casement.conf, drop-ins by name, environment; nothing else is read."""
        files = {
            "/usr/share/casement/casement.conf": "[service a]\nexec = /bin/sh -c \"echo shipped $ONE$TWO$THREE\"\n"
                                                 "environment = ONE=1\nrestart = no\n[guest]\nname = shipped\n",
            "/etc/casement/casement.conf": "[guest]\nname = main\n[service a]\nenvironment = TWO=2\n",
            "/etc/casement/conf.d/20-b.conf": "[guest]\nname = second\n",
            "/etc/casement/conf.d/10-a.conf": "[guest]\nname = first\n[service a]\nenvironment = THREE=3\n",
            "/etc/casement/conf.d/30.disabled": "[guest]\nname = wrong\n",
        }
        before = "mount -t tmpfs tmpfs /usr/share && mount -t tmpfs tmpfs /etc && " + " && ".join(
            f"mkdir -p {os.path.dirname(path)} && printf '%s' '{text}' >{path}" for path, text in files.items())
        pid1 = self.start(arguments=[], before=before)
        pid1.wait_line("info a: shipped 3$")
        self.assertEqual(pid1.status()["guest"]["name"], "second")
        pid1.stop()
        pid1 = self.start(arguments=[], before=before, environment={"CASEMENT_GUEST_NAME": "environment"})
        self.assertEqual(pid1.status()["guest"]["name"], "environment")
        pid1.stop()

    def test_shipped_file_is_missing(self):
        code, pid1 = self.run_to_end(arguments=[], before="mount -t tmpfs tmpfs /usr/share")
        self.assertEqual(code, 78)
        self.assertTrue(pid1.matches("/usr/share/casement/casement.conf: cannot be read"), pid1.text())


class Preflight(Case):
    """69, with the remedy, and nothing is started."""

    def refuse(self, config, *messages, **keys):
        code, pid1 = self.run_to_end([*config, MAIN], **keys)
        self.assertEqual(code, 69, pid1.text())
        self.assertEqual(pid1.matches("^error"), [f"error casement: {message}" for message in messages])
        self.assertFalse(pid1.matches("is ready"))

    def test_missing_devices(self):
        """All of them in one run; one that is not required is no matter."""
        self.refuse(["[device /run/a]\nrequired = yes\n[device /run/b]\nrequired = no\n[device /run/kvm]\nrequired = kvm\n"],
                    "/run/a: is missing: start the container with --device /run/a",
                    "/run/kvm: is missing: start the container with --device /run/kvm "
                    "(or set CASEMENT_GUEST_ACCEL=tcg for slow emulation)")

    def test_kvm_is_not_needed_for_tcg(self):
        pid1 = self.start(["[guest]\naccel = tcg\n[device /run/kvm]\nrequired = kvm\n", MAIN])
        pid1.wait_state("m", "ready")
        pid1.stop()

    def test_what_the_guest_gets(self):
        """A disk of the guest is no node of the container's, and casement-guest is who misses it."""
        pid1 = self.start(["[device /run/disk]\nas = disk\nrequired = yes\n[device /run/file]\nas = cdrom\n"
                           "[device 046d:c52b]\nas = usb\n", MAIN], before="touch /run/file")
        pid1.wait_state("m", "ready")
        pid1.stop()
        self.assertFalse(pid1.matches("^(error|warning)"), pid1.text())

    def test_not_a_device(self):
        self.refuse(["[device /run/file]\nrequired = yes\n"], "/run/file: is not a device", before="touch /run/file")

    def test_symlink(self):
        self.refuse(["[device /run/link]\nrequired = yes\n"], "/run/link: is a symbolic link: name the device itself",
                    before="ln -s /dev/null /run/link")

    def test_forbidden_device(self):
        """On a file system without devices the kernel refuses every node."""
        self.refuse(["[device /run/null]\nrequired = yes\n"],
                    "/run/null: its permissions keep casement out: on the host, chmod a+rw /run/null",
                    before="mknod /run/null c 1 3", run_options="-o nodev")

    def test_missing_capability(self):
        self.refuse([script("s", "exit 0", capabilities="CHOWN NET_ADMIN cap_net_raw")],
                    "s needs the capability NET_ADMIN: start the container with --cap-add NET_ADMIN",
                    "s needs the capability NET_RAW: start the container with --cap-add NET_RAW",
                    stage=["drop-capability", CAP_NET_ADMIN, "drop-capability", CAP_NET_RAW])

    def test_capabilities_are_there(self):
        pid1 = self.start([script("s", "exit 0", restart="no", capabilities="NET_ADMIN, cap_net_raw, CHOWN")])
        pid1.wait_state("s", "stopped")
        pid1.stop()

    def test_read_only_run(self):
        code, pid1 = self.run_to_end(MAIN, run_options="-o ro")
        self.assertEqual(code, 69)
        self.assertTrue(pid1.matches("^error casement: /run/casement: cannot be made: Read-only file system; "
                                     "with a read-only root start the container with --tmpfs /run$"), pid1.text())


class Check(Case):
    """--check: the configuration and the preflight, without starting or changing anything."""

    def check(self, config, before="true"):
        fifo = self.fifo()
        path = os.path.join(os.path.dirname(fifo), "conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        os.chmod(os.path.dirname(fifo), 0o755)
        pid1 = self.start(before=before, program=["sh", "-c", f"{CASEMENT} --check --config {path}; echo code $?; ls -A /run; "
                                                              "stat -c %a /run/node 2>/dev/null"])
        self.assertIn(pid1.wait(), (0, 1))
        return [line for line in pid1.lines if line is not None], path

    def test_in_order(self):
        lines, _ = self.check("[device /run/node]\nrequired = yes\nmode = 0666\n" + script("m", "say started", main="yes"),
                              "mknod -m 600 /run/node c 1 3")
        self.assertEqual(lines, ["info casement: the configuration, the devices and the capabilities are in order", "code 0",
                                 "node", "600"])

    def test_device(self):
        lines, _ = self.check("[device /run/node]\nrequired = yes\n")
        self.assertEqual(lines, ["error casement: /run/node: is missing: start the container with --device /run/node", "code 69"])

    def test_configuration(self):
        lines, path = self.check("[guest]\ncolour = red\n")
        self.assertEqual(lines, [f"error casement: {path}:2: [guest] colour: there is no such key; `casement --keys` lists them",
                                 "code 78"])

    def test_user(self):
        """A user that does not exist is a mistake that --check finds, too, and all of them at once."""
        lines, _ = self.check(script("a", "exit 0", user="nobody-has-it") + script("b", "exit 0", group="nor-that"))
        self.assertEqual(lines[-1], "code 78")
        self.assertEqual(len(lines), 3, lines)


class Devices(Case):
    """Group and mode of nodes, on nodes of the test's own."""

    def node(self, before, config="group = daemon\nmode = 0660\n", name="/run/node"):
        pid1 = self.start([f"[device {name}]\n{config}", MAIN], before=before)
        pid1.wait_state("m", "ready")
        status = os.stat(pid1.path(name))
        pid1.stop()
        return status.st_gid, stat.S_IMODE(status.st_mode), pid1

    def test_fixed(self):
        self.assertEqual(self.node("mknod -m 600 /run/node c 1 3")[:2], (1, 0o660))

    def test_right_already(self):
        group, mode, pid1 = self.node("mknod -m 660 /run/node c 1 3 && chown :daemon /run/node")
        self.assertEqual((group, mode), (1, 0o660))
        self.assertFalse(pid1.matches("warning"))

    def test_symlink_is_not_followed(self):
        group, mode, pid1 = self.node("mknod -m 600 /run/target c 1 3 && ln -s target /run/node", name="/run/node")
        self.assertEqual((group, mode), (0, 0o600))
        self.assertLines(pid1, ["warning casement: /run/node: is a symbolic link: name the device itself"], "warning")

    def test_unknown_group(self):
        group, mode, pid1 = self.node("mknod -m 600 /run/node c 1 3", config="group = no-such-group\nmode = 0666\n")
        self.assertEqual((group, mode), (0, 0o600))
        self.assertLines(pid1, ["warning casement: /run/node: there is no group no-such-group"], "warning")

    def test_read_only(self):
        group, mode, pid1 = self.node("mkdir /run/ro && mount -t tmpfs -o dev tmpfs /run/ro && mknod -m 600 /run/ro/node c 1 3 && "
                                      "mount -o remount,ro /run/ro", name="/run/ro/node")
        self.assertEqual((group, mode), (0, 0o600))
        self.assertLines(pid1, ["warning casement: /run/ro/node: its group cannot be changed: Read-only file system"], "warning")

    def test_mounted_from_the_host(self):
        """A node that is bind-mounted is somebody else's: it stays as it is."""
        group, mode, pid1 = self.node("mkdir /run/host && mount -t tmpfs tmpfs /run/host && mknod -m 600 /run/host/node c 1 3 && "
                                      "touch /run/node && mount --bind /run/host/node /run/node")
        self.assertEqual((group, mode), (0, 0o600))
        self.assertLines(pid1, ["warning casement: /run/node: is mounted from the host and is not changed: pass it with --device "
                                "instead"], "warning")

    MOUNTED = ("mkdir /run/host && mount -t tmpfs tmpfs /run/host && mknod -m {mode:o} /run/host/node c 1 3 && "
               "chgrp {group} /run/host/node && touch /run/node && mount --bind /run/host/node /run/node && "
               "mkdir -p /run/etc && cp -a /etc/passwd /etc/group /etc/nsswitch.conf /run/etc/ && mount --bind /run/etc /etc")

    def mounted(self, mode, group, user="daemon"):
        """A node of the host's with a user; PID 1, and what /etc/group says of him afterwards."""
        pid1 = self.start([f"[device /run/node]\nmode = 0777\nuser = {user}\n", MAIN],
                          before=self.MOUNTED.format(mode=mode, group=group))
        pid1.wait_state("m", "ready")
        status = os.stat(pid1.path("/run/node"))
        self.assertEqual((status.st_gid, stat.S_IMODE(status.st_mode)), (group, mode))
        with open(pid1.path("/run/etc/group"), encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.split(":")[2] == str(group)]
        pid1.stop()
        return pid1, lines

    def test_mounted_with_a_user(self):
        """The host's node is not touched; the user becomes a member of its group, which may have no name here."""
        pid1, lines = self.mounted(0o640 | 0o020, 4321)
        self.assertEqual(lines, ["host-4321:x:4321:daemon"])
        self.assertLines(pid1, ["info casement: /run/node: is mounted from the host: daemon is in its group 4321 now"], "/run/node")
        pid1, lines = self.mounted(0o660, 8)
        self.assertEqual(lines, ["mail:x:8:daemon"])

    def test_mounted_for_everybody(self):
        pid1, lines = self.mounted(0o666, 4321)
        self.assertEqual((lines, pid1.matches("/run/node")), ([], []))

    def test_mounted_for_root_alone(self):
        """Root's group is no way in: it may do more than use a device."""
        for mode, group in ((0o600, 4321), (0o660, 0)):
            pid1, lines = self.mounted(mode, group)
            self.assertFalse(any("daemon" in line for line in lines))
            self.assertLines(pid1, ["warning casement: /run/node: is mounted from the host, is not changed, and no group but root's "
                                    "may use it: pass it with --device instead"], "/run/node")

    def test_missing_and_not_required(self):
        pid1 = self.start(["[device /run/node]\ngroup = daemon\n", MAIN])
        pid1.wait_state("m", "ready")
        pid1.stop()
        self.assertFalse(pid1.matches("warning|error"))


class Leftovers(Case):
    """`docker restart` keeps /run."""

    def test_stale_sockets_and_files(self):
        """Old sockets are replaced; what `clean` names is removed, with what is in it, and nothing beyond."""
        before = ("mkdir -p /run/casement/notify /run/state/deep /run/kept && touch /run/state/deep/file /run/pid /run/kept/file && "
                  "ln -s /run/kept /run/state/link && touch /run/casement/status.sock && mkfifo /run/casement/notify/m.sock")
        pid1 = self.start([script("m", "trap 15 0 0 ready pause", type="notify", main="yes", clean="/run/pid /run/state /run/absent")],
                          before=before)
        pid1.wait_state("m", "ready")
        self.assertEqual(sorted(os.listdir(pid1.path("/run"))), ["casement", "kept"])
        self.assertEqual(os.listdir(pid1.path("/run/kept")), ["file"])
        self.assertEqual(pid1.ask("health"), "ok\n")
        self.assertEqual(pid1.stop(), 0)
        self.assertFalse(pid1.matches("warning|error"))

    def test_mounts_are_left(self):
        """A volume that is mounted in there is not emptied."""
        pid1 = self.start([script("m", "trap 15 0 0 ready pause", type="notify", main="yes", clean="/run/state")],
                          before="mkdir -p /run/state/volume && touch /run/state/file && mount -t tmpfs tmpfs /run/state/volume && "
                                 "touch /run/state/volume/precious")
        pid1.wait_state("m", "ready")
        self.assertEqual(os.listdir(pid1.path("/run/state")), ["volume"])
        self.assertEqual(os.listdir(pid1.path("/run/state/volume")), ["precious"])
        pid1.stop()

    def test_socket_in_the_way(self):
        """A directory in the place of a socket: a clear error."""
        code, pid1 = self.run_to_end(MAIN, before="mkdir -p /run/casement/status.sock")
        self.assertEqual(code, 69)
        self.assertTrue(pid1.matches("error casement: /run/casement/status.sock: cannot be made: Is a directory"), pid1.text())


class Outside(Case):
    """sd_notify towards whoever started the container."""

    def test_ready_and_stopping(self):
        fifo = self.fifo()
        path = os.path.join(os.path.dirname(fifo), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(path)
            receiver.settimeout(30)
            pid1 = self.start(script("m", f"await {fifo} trap 15 0 0 ready pause", type="notify", main="yes"),
                              environment={"NOTIFY_SOCKET": path})
            pid1.wait_state("m", "starting")
            with open(fifo, "wb"):
                pass
            told = []

            def until(field):
                while not any(field in fields for fields in told):
                    told.append(receiver.recv(4096).decode().split("\n"))
                return told[-1]
            ready = until("READY=1")
            self.assertIn("STATUS=ready", ready)
            self.assertIn(["STATUS=starting: m is starting"], told)
            pid1.kill(signal.SIGTERM)
            stopping = until("STOPPING=1")
            self.assertIn("STATUS=stopping: SIGTERM", stopping)
            # 110 s for the guest, 10 s for its keeper and 60 s if it asks for more, 5 s if the kernel holds it; then 10 s and
            # 5 s for what is left.
            self.assertIn("EXTEND_TIMEOUT_USEC=200000000", stopping)
            self.assertEqual(pid1.wait(), 0)
            self.assertTrue(pid1.matches("info casement: the guest's end may take 120 s: use docker stop -t"), pid1.text())
            receiver.setblocking(False)
            try:
                while True:
                    told.append(receiver.recv(4096).decode().split("\n"))
            except BlockingIOError:
                pass
            # Each only once, and nothing twice in a row.
            for field in ("READY=1", "STOPPING=1"):
                self.assertEqual(sum(field in fields for fields in told), 1, told)
            for one, next_one in zip(told, told[1:]):
                self.assertNotEqual(one, next_one)

    def test_full(self):
        """What a manager has no room for is told again."""
        path = os.path.join(os.path.dirname(self.fifo()), "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            receiver.bind(path)
            receiver.settimeout(30)
            other.setblocking(False)
            with self.assertRaises(BlockingIOError):
                while True:
                    other.sendto(b"other", path)
            pid1 = self.start(MAIN, environment={"NOTIFY_SOCKET": path})
            pid1.wait_state("m", "ready")
            fields = []
            while "READY=1" not in fields:
                fields = receiver.recv(4096).decode().split("\n")
            self.assertEqual(pid1.stop(), 0)

    def test_nobody_listens(self):
        for path in ("/no/such/socket", "relative", "@abstract", ""):
            pid1 = self.start(MAIN, environment={"NOTIFY_SOCKET": path})
            pid1.wait_state("m", "ready")
            self.assertEqual(pid1.stop(), 0)


class Quiet(Case):
    """Doing nothing, and time."""

    def test_idle(self):
        """No wake-ups, with services, a guest, a watcher and a watchdog-less keeper."""
        pid1 = self.start([script("m", "trap 15 0 0 guest 0 pause -- notify READY=1|X_CASEMENT_RDP=answering pause", type="notify",
                                  main="yes"), *[script(f"s{i}", "ready pause", type="notify") for i in range(4)]])
        for name in ("m", "s0", "s1", "s2", "s3"):
            pid1.wait_state(name, "ready")
        with pid1.connect() as watcher:
            watcher.sendall(b"watch\n")
            self.assertTrue(watcher.recv(1 << 16))
            wait_until(lambda: state_of(pid1.pid) == "S", "asleep")

            def quiet():
                before = switches(pid1.pid)
                time.sleep(0.3)
                return switches(pid1.pid) == before

            wait_until(quiet, "done with what just happened")
            before = switches(pid1.pid)
            time.sleep(3)
            self.assertEqual(switches(pid1.pid), before)
        pid1.stop()

    def test_wall_clock_jumps(self):
        """Every look at the wall clock is an hour off, back and forth: nothing comes early, nothing is late."""
        pid1 = self.start(["[log]\nformat = json\n", MAIN,
                           script("crash", "exit 3", backoff="20ms", restart_limit=4),
                           script("slow", "ignore 15 say up pause", type="notify", start_timeout="100ms", stop_timeout="100ms",
                                  restart="no"),
                           script("fed", "ready feed 50 100000 exit 0", type="notify", watchdog="20s"),
                           script("waits", "sleep 300 ready pause", type="notify", start_timeout="20s")],
                          stage=[], environment={"LD_PRELOAD": CLOCKJUMP})
        pid1.wait_state("crash", "failed")
        pid1.wait_state("slow", "failed")
        pid1.wait_state("waits", "ready")
        status = pid1.status()
        self.assertEqual({entry["name"]: entry["restarts"] for entry in status["services"]},
                         {"m": 0, "crash": 3, "slow": 0, "fed": 0, "waits": 0})
        self.assertLess(status["uptime_ms"], 60000)
        self.assertTrue(all(0 <= entry["since_ms"] < 60000 for entry in status["services"]))
        self.assertEqual(pid1.stop(), 0)
        # The jumps were there: the times of the log, which are the wall clock's, show them.
        times = [json.loads(line)["time_ms"] for line in pid1.matches("^{")]
        self.assertGreater(max(times) - min(times), 3600 * 1000)

    def test_deadlines_far_away(self):
        """The longest durations that the configuration takes do not overflow anything."""
        pid1 = self.start(["[stop]\ntimeout = 596h\n",
                           script("m", "trap 15 0 0 ready pause", type="notify", main="yes", stop_timeout="596h", watchdog="596h",
                                  start_timeout="596h"),
                           script("s", "exit 1", backoff="596h", backoff_max="596h")])
        pid1.wait_state("m", "ready")
        self.assertEqual(pid1.wait_state("s", "backoff")["restarts"], 1)
        self.assertEqual(pid1.stop(), 0)
        self.assertFalse(pid1.matches("killed"))


def switches(pid):
    return status_field(pid, "voluntary_ctxt_switches"), status_field(pid, "nonvoluntary_ctxt_switches")


if __name__ == "__main__":
    unittest.main()
