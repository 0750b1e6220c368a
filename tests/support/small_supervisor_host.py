"""The process behind `small_supervisor`: runs OCI runtimes in a mount namespace of its own.

Started as a script. Reads requests (JSON, one packet each, descriptors beside them) from the
seqpacket socket whose
descriptor is its argument, and answers each before the next.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
NR_MOVE_MOUNT = 429
MOVE_MOUNT_F_EMPTY_PATH = 0x4
CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x4000 | 0x40000
MNT_DETACH = 2
PR_SET_CHILD_SUBREAPER = 36


def check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter_own_mounts() -> None:
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None), "private")
    with open("/proc/self/mountinfo") as file:
        lines = [line.split(" - ") for line in file]
    kinds = {before.split()[4]: after.split()[0] for before, after in lines}
    if "cgroup" in kinds.values():
        for path, kind in kinds.items():
            if kind == "cgroup2":
                check(libc.umount2(path.encode(), MNT_DETACH), "umount unified")
                # crun makes directories in its place all the same.
                check(libc.mount(b"none", path.encode(), b"tmpfs", 0, None), "cover unified")


def receive_terminal(listener: socket.socket, output: str) -> None:
    connection, _ = listener.accept()
    with connection, open(output, "ab", buffering=0) as file:
        _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        while True:
            try:
                data = os.read(fds[0], 65536)
            except OSError:
                break
            if not data:
                break
            file.write(data)
        os.close(fds[0])


def launch(request: dict, fds: list[int]) -> dict:
    targets = request["mount_targets"] if fds else []
    for fd, target in zip(fds, targets, strict=True):
        check(
            libc.syscall(NR_MOVE_MOUNT, fd, b"", -100, target.encode(), MOVE_MOUNT_F_EMPTY_PATH),
            "move_mount",
        )
    listener = reader = None
    if request["console_socket"]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(request["console_socket"])
        listener.listen(1)
        reader = threading.Thread(
            target=receive_terminal, args=(listener, request["output"]), daemon=True
        )
        reader.start()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, request["output"], flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        pid = os.posix_spawn(
            request["argv"][0], request["argv"], request["environment"], file_actions=actions
        )
        _, status = os.waitpid(pid, 0)
    finally:
        if fds:
            for target in targets:
                libc.umount2(target.encode(), MNT_DETACH)
        if listener is not None:
            listener.close()
            os.unlink(request["console_socket"])
    if status:
        message = "no message"
        with open(request["error_log"]) as log:
            for line in log:
                if line.strip():
                    message = json.loads(line)["msg"]
        return {"failed": message}
    with open(request["pid_file"]) as file:
        pid = int(file.read())
    if reader is not None:
        readers[pid] = reader
    return {"pid": pid}


readers: dict[int, threading.Thread] = {}
"""Who writes down a terminal's output, by the task's process."""
ended: dict[int, int] = {}


def reap() -> None:
    """Collect all children: an orphan left in a pid namespace keeps its init from ending."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        ended[pid] = os.waitstatus_to_exitcode(status)


def wait(request: dict) -> dict:
    deadline = time.monotonic() + request["timeout"]
    while time.monotonic() < deadline:
        reap()
        if request["pid"] in ended:
            if request["pid"] in readers:
                readers.pop(request["pid"]).join(deadline - time.monotonic())
            return {"code": ended.pop(request["pid"])}
        time.sleep(0.002)
    return {"failed": "still running"}


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    enter_own_mounts()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        data, ancillary, _, _ = channel.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        if not data:
            return
        fds = array.array("i")
        for _, _, payload in ancillary:
            fds.frombytes(payload)
        request = json.loads(data)
        try:
            reply = (launch if request["do"] == "launch" else wait)(request, *_more(request, fds))
        except OSError as error:
            reply = {"failed": str(error)}
        for fd in fds:
            os.close(fd)
        channel.send(json.dumps(reply).encode())


def _more(request: dict, fds: array.array) -> tuple:
    return (list(fds),) if request["do"] == "launch" else ()


if __name__ == "__main__":
    sys.exit(main())
