"""Faults, again and again: what dies is started anew, and neither the guest nor who is connected to it notices.

A fault is a list of programs that get SIGKILL in the same moment. inflict() does it once and waits for the state to be `ready`
again; what must have stayed is compared in check(). Used by test_rounds.py and by tests/bench/guest_bench.py.
"""
import contextlib
import json
import os
import signal
import time

import harness

DAEMONS = ("libvirtd", "virtlogd", "dnsmasq", "casement-guest")
# By name: the programs that die. The last one is everything beside the guest but PID 1.
FAULTS = {
    "libvirtd": ("libvirtd",),
    "virtlogd": ("virtlogd",),
    "dnsmasq": ("dnsmasq",),
    "casement-guest": ("casement-guest",),
    "casement-netfw": ("casement-netfw",),
    "all four at once": DAEMONS,
    "all five at once": (*DAEMONS, "casement-netfw"),
}
# Each fault is the first one, whatever the rounds before it were: no pause before a restart grows, and none is the last.
HEALTHY_MS = 100
ENVIRONMENT = {f"CASEMENT_SERVICE_{name.upper().replace('-', '_')}_{key}": value for name in (*DAEMONS, "casement-netfw")
               for key, value in (("HEALTHY_AFTER", f"{HEALTHY_MS}ms"), ("RESTART_LIMIT", "0"))}


class Watch:
    """The lines of `watch`, from before something happens on: none is missed, the socket keeps what is not read yet."""

    def __init__(self, container, timeout=harness.BOOT):
        self.connection = container.status_socket()
        self.connection.sendall(b"watch\n")
        self.connection.settimeout(timeout)
        self.file = self.connection.makefile(encoding="utf-8")
        self.first = self.next()

    def next(self):
        line = self.file.readline()
        if not line:
            raise AssertionError("the container has ended")
        return json.loads(line)

    def until(self, question):
        """The statuses up to the first one that question() is true of."""
        seen = []
        while True:
            try:
                seen.append(self.next())
            except TimeoutError:
                raise AssertionError(f"no such status; the last one: {json.dumps(seen[-1] if seen else self.first)}") from None
            if question(seen[-1]):
                return seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.connection.close()


def restarts(status):
    return {service["name"]: service["restarts"] for service in status["services"]}


def is_well(status):
    return status["state"] == "ready" and status["guest"]["reason"] == ""


class Rounds:
    """A guest that is up, and a connection through the forward that is as old as this."""

    def __init__(self, guest):
        self.guest = guest
        self.qemu = guest.qemu
        self.boots = guest.status()["guest"]["boots"]
        self.connection = guest.rdp(timeout=30)
        self.number = 0

    def close(self):
        self.connection.close()

    def speak(self, word):
        self.number += 1
        harness.echo(self.connection, f"{word} {self.number}".encode())

    def inflict(self, programs, number=signal.SIGKILL):
        """One round. The seconds until the state was `ready` again, and the states on the way there."""
        harness.until("services that live long enough", 60, lambda: all(
            service["since_ms"] > HEALTHY_MS for service in self.guest.status()["services"]))
        victims = [self.guest.process(program) for program in programs]
        # The end of QEMU is the end of its keeper.
        services = [program if program != "qemu-system-x86_64" else "casement-guest" for program in programs]
        with Watch(self.guest) as watch:
            before = restarts(watch.first)
            begin = time.monotonic()
            for pid in victims:
                os.kill(pid, number)
            seen = watch.until(lambda status: is_well(status) and all(
                restarts(status)[name] > before[name] for name in services))
            return time.monotonic() - begin, [status["state"] for status in seen]

    def problems(self):
        """What is not as it was, one sentence each."""
        found = []
        status = self.guest.status()
        if self.guest.qemu != self.qemu:
            found.append("QEMU's process is another one")
        if status["guest"]["boots"] != self.boots:
            found.append("the guest has booted again")
        try:
            self.speak("afterwards")
        except (OSError, AssertionError) as error:
            found.append(f"the connection is broken: {error}")
        with contextlib.suppress(OSError, AssertionError):
            with self.guest.rdp() as connection:
                harness.echo(connection, b"a new one")
                return found
        return [*found, "no new connection"]
