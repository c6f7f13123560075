"""The real casement as PID 1 of a PID namespace of its own, with the victim as its services.

A test waits for events, lines of the log or of the status socket's `watch`, never for time; every wait has a deadline that
only a PID 1 that hangs will miss. CASEMENT_BUILD names the build directory; nothing else of the environment reaches PID 1,
because what begins with CASEMENT_ is its configuration.
"""
import errno
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("CASEMENT_BUILD", os.path.join(TOP, "build")))
CASEMENT = os.path.join(BUILD, "init/pid1/casement")
CASEMENTCTL = os.path.join(BUILD, "init/ctl/casementctl")
VICTIM = os.path.join(BUILD, "tests/pid1/victim")
CLOCKJUMP = os.path.join(BUILD, "tests/pid1/libclockjump.so")
CLOCKSTEP = os.path.join(BUILD, "tests/pid1/libclockstep.so")

# Far more than anything takes on a busy machine.
PATIENCE = 30

# A user that is nobody else's, nor another run's: the kernel counts his processes.
NOBODY = 40000 + os.getpid() % 20000

ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    # For the build with sanitizers: signals are PID 1's business, and what it holds until its end is no leak. Without
    # detect_stack_use_after_return, whose second stack would be measured as PID 1's memory; the unit tests have it.
    "ASAN_OPTIONS": "strict_string_checks=1:detect_leaks=0:handle_segv=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0:"
                    "handle_sigbus=0:verify_asan_link_order=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def native(test):
    """Mark a test that means nothing with sanitizers, of memory for instance: they keep what was freed.

    `unittests --without native` leaves it out.
    """
    test.native = True
    return test


def quote(word):
    """A word of a command line as value_command() reads it."""
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"' if not word or re.search(r"[\s'\"\\]", word) else word


def service(name, *words, program=VICTIM, **keys):
    """A [service] section. A word for each line: lines have a limit, command lines have none."""
    lines = [f"[service {name}]", f"exec = {quote(program)}"] + [f"  {quote(str(word))}" for word in words]
    lines += [f"{key.replace('_', '-')} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def script(name, commands, **keys):
    """A service whose commands have no blanks in them."""
    return service(name, *commands.split(), **keys)


class Watch:
    """A connection to the status socket that stays: one object for every change."""

    def __init__(self, pid1):
        self.socket = pid1.connect()
        self.socket.sendall(b"watch\n")
        self.buffer = b""
        self.pid1 = pid1
        pid1.test.addCleanup(self.close)

    def next(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise AssertionError(f"no change within {PATIENCE} s\n{self.pid1.text()}")
            data = self.socket.recv(1 << 20)
            if not data:
                raise AssertionError(f"PID 1 closed the watch\n{self.pid1.text()}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self.next(deadline)
            if condition(status):
                return status

    def close(self):
        self.socket.close()


class Pid1:
    """One run of casement.

    config: text of its configuration; a list is joined. arguments: instead of --config and the file.
    before: shell commands in the new namespaces, before it. stage: commands for the victim, which then becomes casement.
    namespace: False runs it as an ordinary process (in a mount namespace of its own, because of /run).
    network: True gives it a network namespace as well.
    program: what to run instead of casement, for negative controls.
    """

    def __init__(self, test, config="", arguments=None, before="true", stage=(), environment=None, namespace=True,
                 network=False, program=None, run_options="", stderr=None, pass_fds=()):
        self.test = test
        self.directory = tempfile.mkdtemp(prefix="casement-pid1.")
        os.chmod(self.directory, 0o755)
        self.config = os.path.join(self.directory, "conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else "".join(config))
        if program is None:
            program = [CASEMENT] + (["--config", self.config] if arguments is None else list(arguments))
        if stage:
            program = [VICTIM, *map(str, stage), "exec", *program]
        namespaces = ["--pid", "--fork", "--mount-proc", "--kill-child"] if namespace else []
        self.lines = []
        self.news = threading.Condition()
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            ["unshare", "--mount", *namespaces, *(["--net"] if network else []), "sh", "-c",
             f'mount -t tmpfs {run_options} tmpfs /run && {before} && exec "$@"', "sh", *program],
            env={**ENVIRONMENT, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=write_end,
            stderr=write_end if stderr is None else stderr, pass_fds=pass_fds)
        os.close(write_end)
        self.reader = threading.Thread(target=self._read, args=(read_end,), daemon=True)
        self.reader.start()
        self.namespace = namespace
        self._pid = None
        test.addCleanup(self.close)

    def _read(self, fd):
        with os.fdopen(fd, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                with self.news:
                    self.lines.append(line.rstrip("\n"))
                    self.news.notify_all()
        with self.news:
            self.lines.append(None)
            self.news.notify_all()

    def text(self):
        return "\n".join(line for line in self.lines if line is not None)

    def close(self):
        """End everything that is left: PID 1's death is the namespace's."""
        if self.process.poll() is None:
            # Not by --kill-child alone: a PID 1 that has become another user does not hear of unshare's end.
            for process in descendants_of(self.process.pid):
                try_kill(process, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        self.reader.join(PATIENCE)
        shutil.rmtree(self.directory)
        for sign in ("AddressSanitizer", "runtime error:", "UndefinedBehaviorSanitizer"):
            if sign in self.text():
                raise AssertionError(f"a sanitizer complains:\n{self.text()}")

    @property
    def pid(self):
        """PID 1's number outside its namespace."""
        if self._pid is None:
            if not self.namespace:
                self._pid = self.process.pid
            deadline = time.monotonic() + PATIENCE
            while self._pid is None:
                found = children_of(self.process.pid)
                if found:
                    self._pid = found[0]
                elif self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"there is no PID 1\n{self.text()}")
        return self._pid

    def kill(self, number):
        os.kill(self.pid, number)

    def wait_line(self, pattern, start=0, count=1):
        """Wait for so many lines that match. Return the last one's place in self.lines."""
        deadline = time.monotonic() + PATIENCE
        place = start
        with self.news:
            while True:
                while place < len(self.lines):
                    line = self.lines[place]
                    if line is None:
                        raise AssertionError(f"the log ends without a line like {pattern!r}:\n{self.text()}")
                    place += 1
                    if re.search(pattern, line):
                        count -= 1
                        if count == 0:
                            return place - 1
                if not self.news.wait(max(0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise AssertionError(f"no line like {pattern!r} within {PATIENCE} s:\n{self.text()}")

    def matches(self, pattern):
        return [line for line in self.lines if line is not None and re.search(pattern, line)]

    def wait(self):
        """Wait for the end. Return the exit code, with the whole log read."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"PID 1 does not end:\n{self.text()}") from None
        self.reader.join(PATIENCE)
        return code

    def stop(self, number=signal.SIGTERM):
        self.kill(number)
        return self.wait()

    def path(self, inside):
        return f"/proc/{self.pid}/root{inside}"

    def connect(self):
        """To the status socket, which is there a moment after the start."""
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self.path("/run/casement/status.sock"))
                connection.settimeout(PATIENCE)
                return connection
            except OSError:
                connection.close()
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError(f"there is no status socket\n{self.text()}") from None
                time.sleep(0.005)

    def ask(self, verb):
        with self.connect() as connection:
            connection.sendall(verb.encode() + b"\n")
            return read_all(connection).decode()

    def status(self):
        return json.loads(self.ask("status"))

    def wait_status(self, condition):
        watch = Watch(self)
        try:
            return watch.until(condition)
        finally:
            watch.close()

    def wait_state(self, name, state):
        """Wait for a service's state. Return what the status says of it."""
        return service_in(self.wait_status(lambda status: service_in(status, name)["state"] == state), name)

    def outside(self, inner):
        """The number that a process of the namespace has outside."""
        namespace = os.readlink(f"/proc/{self.pid}/ns/pid")
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{name}/ns/pid") != namespace:
                    continue
                with open(f"/proc/{name}/status", encoding="ascii", errors="replace") as file:
                    if re.search(rf"^NSpid:.*\t{inner}$", file.read(), re.M):
                        return int(name)
            except OSError:
                continue
        raise AssertionError(f"there is no pid {inner} in the namespace")

    def kill_service(self, name, number=signal.SIGKILL):
        """Return its pid inside."""
        inner = service_in(self.status(), name)["pid"]
        os.kill(self.outside(inner), number)
        return inner

    def fds(self):
        return sorted(os.listdir(f"/proc/{self.pid}/fd"), key=int)

    def open_files(self):
        """(descriptor, what it is) of each; one that is closed meanwhile, a client's for instance, is none."""
        found = []
        for fd in self.fds():
            try:
                found.append((int(fd), os.readlink(f"/proc/{self.pid}/fd/{fd}")))
            except FileNotFoundError:
                pass
        return found

    def no_more_fds_than(self, before):
        """A client's end is noticed a moment later: wait for it."""
        wait_until(lambda: len(self.fds()) <= len(before), "the descriptors of clients that are gone")


class Case(unittest.TestCase):
    """What the tests of PID 1 have in common."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        for program in (CASEMENT, VICTIM):
            if not os.access(program, os.X_OK):
                raise AssertionError(f"{program} is missing: build it, and name the build directory in CASEMENT_BUILD")
        if os.geteuid() != 0:
            raise AssertionError("please run as root: the tests make namespaces")

    def start(self, config="", **keys):
        return Pid1(self, config, **keys)

    def run_to_end(self, config="", **keys):
        """Return the code and the run."""
        pid1 = Pid1(self, config, **keys)
        return pid1.wait(), pid1

    def fifo(self, name="fifo"):
        """A FIFO in a directory of its own. A victim awaits its other end."""
        directory = tempfile.mkdtemp(prefix="casement-pid1.")
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, name)
        os.mkfifo(path)
        return path

    def many_files(self):
        """Let this process, and a PID 1 that it starts, have thousands of connections."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def assertLines(self, pid1, expected, pattern):
        """Exactly these lines, in this order, are what matches."""
        self.assertEqual(pid1.matches(pattern), expected, pid1.text())


def release(fifo):
    """Let the victim that awaits a FIFO go on. If none comes to it, that is no reason to hang."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            return
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if time.monotonic() > deadline:
            raise AssertionError(f"nobody awaits {fifo} within {PATIENCE} s")
        time.sleep(0.005)


def service_in(status, name):
    return next(entry for entry in status["services"] if entry["name"] == name)


def read_all(connection):
    data = b""
    while True:
        try:
            more = connection.recv(1 << 20)
        except ConnectionResetError:
            more = b""
        if not more:
            return data
        data += more


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def descendants_of(pid):
    found = children_of(pid)
    return found + [further for child in found for further in descendants_of(child)]


def try_kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def state_of(pid):
    """R, S, D, Z, …, or None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def status_field(pid, name):
    """A number of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return int(re.search(rf"^{name}:\s+(\d+)", file.read(), re.M)[1])


def wait_until(condition, what):
    """For what nobody announces: look, until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.01)
