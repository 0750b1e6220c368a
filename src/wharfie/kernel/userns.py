"""User namespaces, held by descriptors.

One is made by a helper process that unshares and waits while its maps are written; the descriptor
keeps the namespace after the helper has gone. Source: user_namespaces(7), mount_setattr(2).
"""

from __future__ import annotations

import os

_READY = b"."
_HELPER = ["unshare", "--user", "cat"]


def make_user_namespace(uid_map: str, gid_map: str) -> int:
    """A namespace with these maps; the caller closes the descriptor.

    Args:
        uid_map: lines of "inside outside size".
        gid_map: the same of groups.

    Raises:
        OSError: the kernel refuses user namespaces, or the maps.
    """
    from_helper, helper_out = os.pipe2(os.O_CLOEXEC)
    helper_in, to_helper = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.posix_spawnp(
            _HELPER[0],
            _HELPER,
            {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, helper_in, 0),
                (os.POSIX_SPAWN_DUP2, helper_out, 1),
            ],
        )
    except OSError:
        for fd in (from_helper, helper_out, helper_in, to_helper):
            os.close(fd)
        raise
    os.close(helper_in)
    os.close(helper_out)
    try:
        # An echo tells that it has unshared and become the program that waits.
        os.write(to_helper, _READY)
        if os.read(from_helper, 1) != _READY:
            raise OSError(f"cannot make a user namespace: {_HELPER[0]} ended early")
        for name, text in (("uid_map", uid_map), ("gid_map", gid_map)):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(to_helper)
        os.close(from_helper)
        os.waitpid(pid, 0)
