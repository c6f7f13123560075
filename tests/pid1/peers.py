#!/usr/bin/env python3
"""casement beside other inits: the same cases, each with a fresh PID 1, as a table in Markdown.

    CASEMENT_BUILD=build tests/pid1/peers.py [--quick] [--init NAME]... [--case WORDS]...

Needs root and Debian's packages tini, dumb-init, catatonit and s6. A cell is "yes", "no: what happened", or "–" for what an
init does not claim to do, with what happens then. The last column has no init at all: it shows that a case can fail.
"""
import argparse
import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

from harness import (CASEMENT, CLOCKJUMP, NOBODY, PATIENCE, VICTIM, children_of, descendants_of, release, state_of,
                     status_field, try_kill, wait_until)
from inits import INITS

# What each takes as a request to do something itself, beside SIGTERM.
REQUESTS = {
    "casement": {signal.SIGINT, signal.SIGPWR, signal.SIGRTMIN + 3, signal.SIGQUIT},
    "s6-svscan": {signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT},
}


class Fails(Exception):
    """What happened where a case is not passed."""


class Run(contextlib.ExitStack):
    """One case with one init; what was started is gone at its end."""

    def __init__(self, init, quick=False):
        super().__init__()
        self.init = init
        self.quick = quick

    def addCleanup(self, function, *arguments):  # as a TestCase has it
        self.callback(function, *arguments)

    def start(self, words, **options):
        return self.init.start(self, words.split(), **options)

    def fifo(self):
        path = os.path.join(self.enter_context(tempfile.TemporaryDirectory(prefix="casement-peers.")), "fifo")
        os.mkfifo(path)
        return path


def check(condition, what):
    if not condition:
        raise Fails(what)


def wait_said(pid1, pattern, **options):
    """Wait for a line of the program's, as it is or as casement passes it on."""
    try:
        pid1.wait_line(rf"^(info m: )?{pattern}", **options)
    except AssertionError:
        raise Fails("the program does not run") from None


def said(pid1, pattern):
    return pid1.matches(rf"^(info m: )?{pattern}")


def end_of(pid1, seconds=PATIENCE):
    """The exit code, 128 + n for a signal, or None: it does not end."""
    try:
        code = pid1.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    pid1.reader.join(PATIENCE)
    return 128 - code if code < 0 else code


def program_of(pid1):
    """The program that the init runs; where there is none, itself."""
    return (descendants_of(pid1.pid) or [pid1.pid])[-1]


def cmdline(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def waited(pid):
    """Seconds that a process was ready to run, but had no CPU."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


def zombies(pid1):
    return sum(state_of(child) == "Z" for child in children_of(pid1.pid))


def check_no_zombies(pid1, patience=PATIENCE):
    end = time.monotonic() + patience
    while zombies(pid1):
        check(time.monotonic() < end, f"{zombies(pid1)} zombies stay")
        time.sleep(0.02)


def exit_codes(run):
    """The program's exit code, 0 to 255"""
    for code in (0, 1, 77, 255) if run.quick else range(256):
        got = end_of(run.start(f"exit {code}"))
        check(got == code, f"{got} for {code}")


def exit_signals(run):
    """128 + n for a program that a signal ends"""
    deadly = (9, 15) if run.quick else (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31, 34, 64)
    for number in deadly:
        got = end_of(run.start(f"raise {number} exit 0"))
        check(got == 128 + number, f"{got} for signal {number}")


def exec_failures(run):
    """127 for a program that is missing, 126 for a directory and one that is not executable"""
    got = [end_of(run.start("", program=program)) for program in ("/no/such/program", "/etc", "/etc/passwd")]
    check(got == [127, 126, 126], "exits with " + ", ".join(map(str, got)))


def every_signal(run):
    """Every signal that is no request, faults too, sent to PID 1: it lives"""
    pid1 = run.start("ignore-all trap 15 0 0 say up pause")
    wait_said(pid1, "up$")
    program = program_of(pid1)
    others = {*range(1, 32), signal.SIGRTMIN, signal.SIGRTMIN + 3, signal.SIGRTMAX}
    others -= {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, *REQUESTS.get(run.init.name, ())}
    for number in sorted(others):
        pid1.kill(number)
        time.sleep(0.01)
        check(pid1.process.poll() is None and state_of(pid1.pid) not in (None, "Z"), f"ended by signal {int(number)}")
        # dumb-init makes a SIGSTOP of what a terminal would stop it with.
        try_kill(program, signal.SIGCONT)
    pid1.kill(signal.SIGTERM)
    check(end_of(pid1) is not None, "SIGTERM no longer ends it")


def early_term(run):
    """SIGTERM 2, 5 and 20 ms after exec is never lost (0 and 1 ms: counted)"""
    lost, trials = {}, 3 if run.quick else 20
    for delay in (2, 5, 20) if run.quick else (0, 1, 2, 5, 20):
        for _ in range(trials):
            fifo = run.fifo()
            pid1 = run.start("trap 15 0 0 say up pause", stage=["await", fifo])
            pid = pid1.pid
            wait_until(lambda: state_of(pid) == "S" and os.readlink(f"/proc/{pid}/exe") == VICTIM, "waiting")
            before = cmdline(pid)
            release(fifo)
            while cmdline(pid) == before:
                pass
            begin, waited_before = time.monotonic(), waited(pid)
            time.sleep(delay / 1000)
            try_kill(pid, signal.SIGTERM)
            took = time.monotonic() - begin
            with contextlib.suppress(Fails):  # it ended before that
                wait_said(pid1, "up$")
            if end_of(pid1, 0.5) is None:
                # On a busy machine it may not have had all of this time.
                if took - (waited(pid) - waited_before) >= delay / 1000:
                    lost[delay] = lost.get(delay, 0) + 1
                pid1.kill(signal.SIGKILL)
    told = f"lost of {trials}: " + ", ".join(f"{n} at {delay} ms" for delay, n in lost.items())
    check(not any(delay >= 2 for delay in lost), told)
    return told if lost else None


def term_again(run):
    """SIGTERM 1000 times: the program gets one"""
    pid1 = run.start("trap 12 0 0 trap 15 1 -1 say up pause")
    wait_said(pid1, "up$")
    program = program_of(pid1)
    for _ in range(1000):
        try_kill(pid1.pid, signal.SIGTERM)
        time.sleep(0.0002)  # so that they are not all merged into one
    wait_said(pid1, "signal 15")
    time.sleep(0.3)
    os.kill(program, signal.SIGUSR2)
    check(end_of(pid1) == 0, "does not end with the program")
    number = len(said(pid1, "signal 15"))
    check(number == 1, "it gets many")


def sigchld(run):
    """SIGCHLD without a dead child, 1000 times: no busy loop"""
    pid1 = run.start("say up pause")
    wait_said(pid1, "up$")
    for _ in range(1000):
        pid1.kill(signal.SIGCHLD)
    time.sleep(0.5)
    before = status_field(pid1.pid, "voluntary_ctxt_switches"), ticks(pid1.pid)
    time.sleep(1)
    check(status_field(pid1.pid, "voluntary_ctxt_switches") - before[0] < 5, "is woken again and again")
    check(ticks(pid1.pid) - before[1] < 5, "computes")


def check_dispositions(pid1):
    wait_said(pid1, "shown$")
    for field, what in (("SigBlk", "blocked"), ("SigIgn", "ignored")):
        mask = int(said(pid1, field)[0].split("\t")[1], 16)
        names = [signal.Signals(number).name[3:] for number in range(1, 32) if mask >> (number - 1) & 1]
        names = names if len(names) < 5 else ["all"]
        check(not mask, f"{' '.join(names) or 'real-time signals'} {what} in the program")


def plain_dispositions(run):
    """The program starts with nothing blocked or ignored"""
    check_dispositions(run.start("show signals pause"))


def strange_dispositions(run):
    """So it does if PID 1 was started with everything blocked and ignored"""
    check_dispositions(run.start("show signals pause", stage=["ignore-all", "block-all"]))


def staggered_orphans(run):
    """100 orphans, one by one"""
    pid1 = run.start("orphans 100 500 pause")
    wait_said(pid1, "orphans made")
    check_no_zombies(pid1, 6)


def many_orphans(run):
    """20,000 orphans; memory stays what it was"""
    fifo, number = run.fifo(), 2000 if run.quick else 20000
    pid1 = run.start(f"await {fifo} orphans {number} 0 pause")
    release(fifo)
    before = status_field(pid1.pid, "VmRSS")
    wait_said(pid1, "orphans made")
    check_no_zombies(pid1, 6)
    check(status_field(pid1.pid, "VmRSS") - before < 300, "grows")


def backlog(run):
    """5,000 zombies that wait while PID 1 is stopped"""
    fifo, number = run.fifo(), 500 if run.quick else 5000
    pid1 = run.start(f"await {fifo} orphans {number} 0 pause")
    release(fifo)
    if run.init.command or run.init.name == "casement":
        pid1.kill(signal.SIGSTOP)
    wait_until(lambda: zombies(pid1) >= number, "the backlog")
    pid1.kill(signal.SIGCONT)
    check_no_zombies(pid1, 6)


def daemon(run):
    """A daemon that needs 1 s after SIGTERM gets it, and has the second"""
    # Two words: casement counts a line that comes again instead of passing it on.
    pid1 = run.start("daemon trap 15 1000 0 say awake pause -- trap 15 0 0 say up pause")
    wait_said(pid1, "awake$")
    wait_said(pid1, "up$")
    pid1.kill(signal.SIGTERM)
    check(end_of(pid1) is not None, "does not end")
    check(len(said(pid1, "signal 15")) == 2, "cut off without a signal")
    check(len(said(pid1, "done")) == 2, "cut off in the midst")


def deaf_program(run):
    """A program that ignores SIGTERM is killed, 500 ms later if so configured"""
    pid1 = run.start("ignore 15 say up pause", stop_timeout_ms=500)
    wait_said(pid1, "up$")
    begin = time.monotonic()
    pid1.kill(signal.SIGTERM)
    check(end_of(pid1, 6) is not None, "waits for ever")
    took = time.monotonic() - begin
    check(took > 0.45, f"after {took:.1f} s")


def inherited_fd(run):
    """A descriptor that PID 1 was started with is not the program's"""
    pid1 = run.start("show fds pause", stage=["open", 7])
    wait_said(pid1, "shown$")
    check(not said(pid1, "fd 7 "), "passed on")


def closed_stdin(run):
    """Standard input is closed: the program runs"""
    pid1 = run.start("say ran exit 0", stage=["close", 0])
    end = end_of(pid1)
    check(said(pid1, "ran"), f"exits with {end}")


def fork_fails(run):
    """No process can be made (RLIMIT_NPROC): PID 1 lives, and starts the program once there can"""
    pid1 = run.start("say up pause", retry=True, run_options=f"-o uid={NOBODY}",
                     stage=["limit", resource.RLIMIT_NPROC, 1, "user", NOBODY])
    got = end_of(pid1, 1)
    check(got is None, f"exits with {got}")
    subprocess.run(["prlimit", f"--pid={pid1.pid}", "--nproc=100"], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    wait_said(pid1, "up$")


def full_stderr(run):
    """Standard error is a full pipe: SIGTERM is answered as ever"""
    fifo = run.fifo()
    reader, writer = os.pipe()
    run.addCleanup(os.close, reader)
    run.addCleanup(os.close, writer)
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)))
    os.set_blocking(writer, True)
    pid1 = run.start(f"trap 15 0 0 await {fifo} pause", stderr=writer)
    release(fifo)
    pid1.kill(signal.SIGTERM)
    check(end_of(pid1) is not None, "blocks")


def wall_clock(run):
    """The wall clock jumps by hours: a program that ignores SIGTERM is killed in time"""
    pid1 = run.start("ignore 15 say up pause", stop_timeout_ms=500, environment={"LD_PRELOAD": CLOCKJUMP})
    wait_said(pid1, "up$")
    begin = time.monotonic()
    pid1.kill(signal.SIGTERM)
    check(end_of(pid1, 6) is not None, "waits for ever")
    took = time.monotonic() - begin
    check(took > 0.45, f"after {took:.1f} s")


def idle(run):
    """No wake-ups in 10 idle seconds"""
    pid1 = run.start("say up pause")
    wait_said(pid1, "up$")
    time.sleep(0.5)
    pids = [pid1.pid, *descendants_of(pid1.pid)]
    before = sum(status_field(pid, "voluntary_ctxt_switches") for pid in pids)
    time.sleep(3 if run.quick else 10)
    woken = sum(status_field(pid, "voluntary_ctxt_switches") for pid in pids) - before
    check(not woken, str(woken))


def not_pid1(run):
    """Not PID 1 (tini: with -s): a daemon becomes its child, and is reaped"""
    pid1 = run.start("daemon show place pause -- say up pause", namespace=False)
    wait_said(pid1, "shown$")
    wait_said(pid1, "up$")
    orphan = int(said(pid1, "parent ")[0].split()[-1])
    run.addCleanup(try_kill, orphan, signal.SIGKILL)
    check(orphan in children_of(pid1.pid), "is no subreaper")
    os.kill(orphan, signal.SIGKILL)
    check_no_zombies(pid1, 6)


CASES = [
    exit_codes, exit_signals, exec_failures, every_signal, early_term, term_again, sigchld, plain_dispositions,
    strange_dispositions, staggered_orphans, many_orphans, backlog, daemon, deaf_program, inherited_fd, closed_stdin, fork_fails,
    full_stderr, wall_clock, idle, not_pid1,
]

# What an init does not claim to do. Most pass on what they get, signals as well as descriptors, and end with their program.
PLAIN = {"tini", "tini -g", "dumb-init", "catatonit", "no init"}
UNCLAIMED = {
    term_again: PLAIN, strange_dispositions: PLAIN | {"s6-svscan"}, daemon: PLAIN | {"s6-svscan"}, deaf_program: PLAIN,
    inherited_fd: PLAIN | {"s6-svscan"}, not_pid1: {"dumb-init", "s6-svscan", "no init"},
}
# What makes no sense: s6-svscan does not end with a service and starts it again, the others have no timers.
SENSELESS = {exit_codes: {"s6-svscan"}, exit_signals: {"s6-svscan"}, exec_failures: {"s6-svscan"}, wall_clock: PLAIN}


def outcome(case, init, quick=False):
    """Whether it passed, and what is to be said about it."""
    try:
        with Run(init, quick) as run:
            return True, case(run)
    except Fails as what:
        return False, str(what)


def cell(case, init, quick):
    if init.name in SENSELESS.get(case, ()):
        return "–"
    passed, what = outcome(case, init, quick)
    word = "yes" if passed else "–" if init.name in UNCLAIMED.get(case, ()) else "no"
    return f"{word}: {what}" if word == "no" else f"{word} ({what})" if what else word


def version_of(init):
    """Debian's, of the package that it came in."""
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", init.package], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def row(words):
    print("| " + " | ".join(words) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller numbers")
    parser.add_argument("--init", action="append", choices=[init.name for init in INITS], help="only these")
    parser.add_argument("--case", action="append", help="only these, by the names of their functions",
                        choices=[case.__name__ for case in CASES], metavar="NAME")
    options = parser.parse_args()
    for program in (CASEMENT, VICTIM, *(init.command[0] for init in INITS if init.command)):
        if not os.access(program, os.X_OK):
            sys.exit(f"{program} is missing")
    inits = [init for init in INITS if not options.init or init.name in options.init]
    # What else the machine does disturbs less, and all alike.
    os.nice(-10)
    begin = time.monotonic()
    row(["case", *(init.name for init in inits)])
    row(["---"] * (len(inits) + 1))
    for case in CASES:
        if not options.case or case.__name__ in options.case:
            row([case.__doc__, *(cell(case, init, options.quick) for init in inits)])
    versions = ", ".join(f"{init.name} {version_of(init)}" for init in inits if init.package and " " not in init.name)
    print(f"\n{versions}; Linux {os.uname().release}, {time.strftime('%Y-%m-%d')}, {time.monotonic() - begin:.0f} s, "
          f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
