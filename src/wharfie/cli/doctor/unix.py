"""A unix socket: is it there, may we, does anybody answer."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import socket
import stat

from wharfie.cli.doctor.findings import fail, ok
from wharfie.cli.doctor.network import SECONDS, Findings

_START = "systemctl start wharfie  # or: wharfied"


def check_socket(path: str) -> Findings:
    """Yield what is wrong with a socket; returns whether it can be connected to."""
    try:
        found = os.stat(path)
    except PermissionError:
        yield fail("socket", f"{path} is in a directory closed to us", f"namei -l {path}")
        return False
    except OSError as error:
        text = os.strerror(error.errno or 0).lower()
        yield fail("socket", f"{path}: {text}: no daemon runs here", _START)
        return False
    if not stat.S_ISSOCK(found.st_mode):
        yield fail("socket", f"{path} is no socket", f"rm -r {path}; {_START}")
        return False
    problem = _connect(path)
    if problem == 0:
        yield ok("socket", f"{path} is open to us")
        return True
    if problem in {errno.EACCES, errno.EPERM}:
        yield fail("socket", *_denied(path, found))
    elif problem == errno.ECONNREFUSED:
        detail = f"{path} is there, but its daemon has gone"
        yield fail("socket", detail, "systemctl restart wharfie  # or: wharfied")
    else:
        yield fail("socket", f"{path}: {os.strerror(problem).lower()}", _START)
    return False


def _connect(path: str) -> int:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(SECONDS)
        try:
            probe.connect(path)
        except TimeoutError:
            return errno.ETIMEDOUT
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _denied(path: str, found: os.stat_result) -> tuple[str, str]:
    """Say why we may not, and what would let us."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    try:
        group = grp.getgrgid(found.st_gid)
    except KeyError:
        return (
            f"{path} belongs to group {found.st_gid}, which has no name",
            f"sudo chgrp docker {path}",
        )
    if not found.st_mode & stat.S_IWGRP or group.gr_gid == 0:
        return (
            f"{path} is open to root only",
            "sudo groupadd -f docker; sudo usermod -aG docker $USER;"
            " sudo systemctl restart wharfie",
        )
    if user in group.gr_mem or pwd.getpwuid(os.geteuid()).pw_gid == group.gr_gid:
        return (
            f"{user} is in group {group.gr_name}, but was not yet when this session began",
            f"newgrp {group.gr_name}  # or log in again",
        )
    return (
        f"{path} is open to group {group.gr_name}, and {user} is not in it",
        f"sudo usermod -aG {group.gr_name} {user}  # then log in again; its members are root here",
    )
