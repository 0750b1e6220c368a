"""SELinux contexts, `user:role:type:level`, and the file that names those of containers.

Source: selinux(8); lxc_contexts in a policy's `contexts/`; label options of `docker run`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

MOST_CATEGORIES = 1024
OPTIONS = frozenset({"disable", "type", "filetype", "user", "role", "level"})
_ASSIGNMENT = re.compile(r'\s*(\w+)\s*=\s*"?([^"]*?)"?\s*')


class Context(Struct, frozen=True):
    """One label; `level` is "" in policies without levels."""

    user: str
    role: str
    type: str
    level: str = ""

    @classmethod
    def parse(cls, text: str) -> Context:
        """Parse a label.

        Raises:
            ValueError: it is none.
        """
        parts = text.split(":", 3)
        if len(parts) < 3 or not all(parts):
            raise ValueError(f"invalid SELinux context {text!r}")
        return cls(*parts)

    def __str__(self) -> str:
        """As the kernel reads it."""
        known = (self.user, self.role, self.type, *([self.level] if self.level else []))
        return ":".join(known)


class Policy(Struct, frozen=True):
    """What a policy says of containers: their processes' label, and their files'."""

    process: Context
    file: Context

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Parse an `lxc_contexts` file.

        Raises:
            ValueError: it does not name both, or no labels.
        """
        found = assignments(text)
        if "process" not in found or "file" not in found:
            raise ValueError("it names no labels for processes and files")
        return cls(Context.parse(found["process"]), Context.parse(found["file"]))


def assignments(text: str) -> Mapping[str, str]:
    """`key = value` lines; comments and others are left out."""
    matches = (_ASSIGNMENT.fullmatch(line) for line in text.splitlines())
    return {one[1]: one[2] for one in matches if one is not None}


def check_options(options: Iterable[str]) -> None:
    """Refuse label options that mean nothing.

    Raises:
        ValueError: in Docker's words.
    """
    for option in options:
        if option == "disable":
            continue
        key, colon, _ = option.partition(":")
        if not colon:
            raise ValueError(
                f"Bad label option \"{option}\", valid options 'disable' or \n"
                "'user, role, level, type, filetype' followed by ':' and a value"
            )
        if key not in OPTIONS:
            raise ValueError(
                f'Bad label option "{key}", valid options \'disable, user, role, level, type, '
                "filetype'"
            )


def labels_of(policy: Policy, options: Iterable[str], categories: str) -> tuple[str, str]:
    """Labels of a container's process and of its files.

    Args:
        policy: what they are by default.
        options: `type:x`, `level:s0:c1` or `disable`, checked.
        categories: this container's own ("c1,c2").
    """
    process, file = policy.process, policy.file
    if process.level:
        process = structs.replace(process, level=f"s0:{categories}")
        file = structs.replace(file, level=f"s0:{categories}")
    for option in options:
        if option == "disable":
            own = f"s0:c{MOST_CATEGORIES - 2},c{MOST_CATEGORIES - 1}"
            return "", str(structs.replace(policy.file, level=own if file.level else ""))
        key, _, value = option.partition(":")
        if key == "filetype":
            file = structs.replace(file, type=value)
            continue
        process = structs.replace(process, **{key: value})
        if key in ("level", "user"):
            file = structs.replace(file, **{key: value})
    return str(process), str(file)


def categories_of(label: str) -> str:
    """The categories in a label's level, "" without."""
    return Context.parse(label).level.partition(":")[2] if label else ""


def shared(label: str) -> str:
    """The label of files that several containers use: without categories."""
    context = Context.parse(label)
    return str(structs.replace(context, level=context.level.partition(":")[0]))
