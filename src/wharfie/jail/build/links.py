"""Links at the end of a destination: a file is written to where they lead, inside of the root.

Source: BuildKit's `solver/llbsolver/file`: the destination is resolved in the root, its last name
as well.
"""

from __future__ import annotations

import os

from wharfie.jail.errors import invalid, show
from wharfie.jail.tree import O_PATH_DIRECTORY
from wharfie.kernel import openat2

_MAX_LINKS = 40


def through_links(root: int, path: bytes) -> bytes:
    """Where a file named as destination goes.

    Raises:
        JobError: links lead in a circle, or to no name.
    """
    for _ in range(_MAX_LINKS):
        above, _, name = path.rpartition(b"/")
        try:
            parent = openat2.open_in_root(root, above or b".", O_PATH_DIRECTORY)
        except OSError:
            return path
        try:
            link = os.readlink(name, dir_fd=parent)
        except OSError:
            return path
        finally:
            os.close(parent)
        path = link if link.startswith(b"/") else above + b"/" + link
        if path.endswith((b"/", b"/.", b"/..")):
            break
    raise invalid(f"{show(path)}: a symlink that leads nowhere")
