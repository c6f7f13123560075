"""The main service of the casement that test_status.py starts: a keeper of a guest that does not exist.

It tells PID 1 about a guest, asks for the status while the guest lives, after it was killed and after it exited, and leaves the
answers in the directory that it is given.
"""
import json
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

STATUS = "/run/casement/status.sock"


def tell(**fields):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(os.environ["NOTIFY_SOCKET"])
        sock.send("\n".join(f"{name}={value}" for name, value in fields.items()).encode())


def show_forwards(count):
    """Pass the table of forwards, as lib/forward_table.h has it."""
    table = os.memfd_create("table", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(table, struct.pack("=QIIIIQ", 0x3164776674736163, 1, count, 0, 0, 2))
    for port in range(count):
        os.write(table, struct.pack("=BBHHHQQQQ", socket.IPPROTO_TCP, 0, 20000 + port, 20000 + port, 20000 + port,
                                    1234, 130000, 7, 1200000000))
    fcntl.fcntl(table, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(os.environ["NOTIFY_SOCKET"])
        socket.send_fds(sock, [b"FDSTORE=1\nFDNAME=forwards"], [table])
    os.close(table)


def ask(verb):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(STATUS)
        sock.send(verb.encode() + b"\n")
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        return answer.decode()


def until(question):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = ask("status")
        if question(json.loads(status)):
            return status
        time.sleep(0.02)
    raise TimeoutError(ask("status"))


def orphan(command):
    """The pid of a process whose parent is PID 1."""
    text = subprocess.run(["/bin/sh", "-c", f"({command}) >/dev/null & echo $!"], stdout=subprocess.PIPE, check=True).stdout
    return int(text)


def main():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # how QEMU ended: the status has it, too
    out, casementctl = pathlib.Path(sys.argv[1]), sys.argv[2]
    killed, exits = orphan("sleep 1000"), orphan("sleep 1; exit 3")
    tell(READY=1, STATUS="talks", X_CASEMENT_GUEST_STATE="running", X_CASEMENT_GUEST_PID=killed, X_CASEMENT_BOOTS=1,
         X_CASEMENT_RDP="answering", X_CASEMENT_RDP_LATENCY_US=4200, X_CASEMENT_GUEST_ADDRESS="192.168.121.68")
    tell(RELOADING=1)
    tell(READY=1, X_CASEMENT_RELOAD="failed", X_CASEMENT_RELOAD_REASON="entry 3 is none")
    # More than a status has room for, so that the field that says so is there.
    show_forwards(2000)
    (out / "alive.json").write_text(until(lambda status: status["state"] == "ready" and status["forwards"]), encoding="utf-8")
    for verb in ("health", "ready", "metrics", "no-such-verb"):
        (out / verb).write_text(ask(verb), encoding="utf-8")
    (out / "human").write_bytes(subprocess.run([casementctl, "status"], stdout=subprocess.PIPE, check=True).stdout)
    os.kill(killed, signal.SIGKILL)
    (out / "killed.json").write_text(until(lambda status: "signal" in status["guest"]), encoding="utf-8")
    tell(X_CASEMENT_GUEST_PID=exits)
    (out / "exited.json").write_text(until(lambda status: "exit_code" in status["guest"]), encoding="utf-8")


if __name__ == "__main__":
    main()
