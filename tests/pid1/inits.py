"""casement and the inits that it is compared with: how each is told to run one program as PID 1."""
import dataclasses
import os
import shlex
import shutil
import tempfile

from harness import VICTIM, Pid1, service


@dataclasses.dataclass(frozen=True)
class Init:
    """An init that gets its program on the command line."""
    name: str
    package: str = ""
    command: tuple = ()
    subreaper: tuple = ()  # the options that make it one where it is not PID 1

    def start(self, run, words, program=VICTIM, **options):
        """
        Run the victim, or another program, as the test or case @run.

        stop_timeout_ms: time between SIGTERM and SIGKILL, and retry: whether a start that failed is tried again, are for
        those that have such a thing; other options are Pid1's.
        """
        options.pop("stop_timeout_ms", None)
        options.pop("retry", None)
        extra = self.subreaper if not options.get("namespace", True) else ()
        command = [*self.command, *extra, "--"] if self.command else []
        return Pid1(run, program=[*command, program, *map(str, words)], **options)


class Casement(Init):
    """One simple service, not started again."""

    def start(self, run, words, program=VICTIM, stop_timeout_ms=10000, retry=False, **options):
        keys = {"restart": "on-failure", "restart_limit": 0, "backoff": "10ms"} if retry else {"restart": "no"}
        main = service("m", *words, program=program, main="yes", stop_timeout=f"{stop_timeout_ms}ms", **keys)
        # The main service has the guest's time before its own.
        return Pid1(run, ["[stop]\ntimeout = 1ms\n", main], **options)


class S6(Init):
    """One service directory; the program is started again whenever it ends."""

    def start(self, run, words, program=VICTIM, stop_timeout_ms=0, retry=False, **options):
        del retry  # it always does
        directory = tempfile.mkdtemp(prefix="casement-s6.")
        run.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o777)
        place = os.path.join(directory, "m")
        os.mkdir(place)
        os.chmod(place, 0o777)
        script = os.path.join(place, "run")
        with open(script, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nexec {shlex.join([program, *map(str, words)])}\n")
        os.chmod(script, 0o755)
        if stop_timeout_ms:
            with open(os.path.join(place, "timeout-kill"), "w", encoding="ascii") as file:
                file.write(str(stop_timeout_ms))
        return Pid1(run, program=[*self.command, directory], **options)


INITS = [
    Casement("casement"),
    Init("tini", "tini", ("/usr/bin/tini",), ("-s",)),
    Init("tini -g", "tini", ("/usr/bin/tini", "-g"), ("-s",)),
    Init("dumb-init", "dumb-init", ("/usr/bin/dumb-init",)),
    Init("catatonit", "catatonit", ("/usr/bin/catatonit",)),
    S6("s6-svscan", "s6", ("/usr/bin/s6-svscan",)),
    # The negative control: the program itself is PID 1.
    Init("no init"),
]


def named(name):
    return next(init for init in INITS if init.name == name)
