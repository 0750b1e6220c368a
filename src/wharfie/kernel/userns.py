"""User namespaces and what belongs to them, held by descriptors.

One is made by a helper process that unshares and waits while its maps are written; the descriptor
keeps the namespace after the helper has gone. Source: user_namespaces(7), mount_setattr(2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_READY = b"."
_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def make_user_namespace(uid_map: str, gid_map: str) -> int:
    """A namespace with these maps; the caller closes the descriptor.

    Args:
        uid_map: lines of "inside outside size".
        gid_map: the same of groups.

    Raises:
        OSError: the kernel refuses user namespaces, or the maps.
    """
    with _helper(["unshare", "--user", "cat"]) as pid:
        for name, text in (("uid_map", uid_map), ("gid_map", gid_map)):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def make_network_namespace(userns: int) -> int:
    """A network namespace that belongs to a user namespace; the caller closes the descriptor.

    Raises:
        OSError: the kernel refuses.
    """
    command = ["nsenter", "--user=/proc/self/fd/3", "unshare", "--net", "cat"]
    with _helper(command, userns) as pid:
        return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _helper(command: list[str], inherited: int = -1) -> Iterator[int]:
    """A program that has become `cat` in new namespaces; it ends with the context.

    Args:
        command: what to run; the last word is the program that waits.
        inherited: a descriptor it gets as number 3, -1 for none.
    """
    from_helper, helper_out = os.pipe2(os.O_CLOEXEC)
    helper_in, to_helper = os.pipe2(os.O_CLOEXEC)
    actions = [(os.POSIX_SPAWN_DUP2, helper_in, 0), (os.POSIX_SPAWN_DUP2, helper_out, 1)]
    if inherited >= 0:
        actions.append((os.POSIX_SPAWN_DUP2, inherited, 3))
    try:
        pid = os.posix_spawnp(command[0], command, _PATH, file_actions=actions)
    except OSError:
        os.close(to_helper)
        os.close(from_helper)
        raise
    finally:
        os.close(helper_in)
        os.close(helper_out)
    try:
        # An echo tells that it has unshared and become the program that waits.
        os.write(to_helper, _READY)
        if os.read(from_helper, 1) != _READY:
            raise OSError(f"cannot make a namespace: {' '.join(command)} ended early")
        yield pid
    finally:
        os.close(to_helper)
        os.close(from_helper)
        os.waitpid(pid, 0)
