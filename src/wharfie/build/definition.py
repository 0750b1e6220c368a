"""The Dockerfile and the .dockerignore of a context. Source: moby `builder/remotecontext`."""

from __future__ import annotations

import posixpath

from msgspec import Struct

from wharfie.model.build.contexts import HeldContext
from wharfie.model.errors import EngineError, InvalidArgument

DEFAULT = "Dockerfile"
_LIMIT = 4 << 20
_IGNORE = ".dockerignore"


class NoDockerfile(EngineError):
    """There is none of this name; a 500 to clients, as in Docker."""


class Definition(Struct, frozen=True):
    """What a frontend reads of a context."""

    dockerfile: bytes
    filename: str
    ignore_file: bytes | None


async def read_definition(context: HeldContext, path: str) -> Definition:
    """Read the Dockerfile, by default "Dockerfile" or "dockerfile", and what it ignores.

    Symlinks count from the context's root. `<Dockerfile>.dockerignore` wins over `.dockerignore`.

    Raises:
        NoDockerfile: nothing of this name.
        InvalidArgument: empty, too large, or outside of the context.
    """
    wanted = path or DEFAULT
    name = posixpath.normpath(wanted.lstrip("/"))
    if name == ".." or name.startswith("../"):
        raise InvalidArgument(f"forbidden path outside the build context: {wanted}")
    data = await context.read(name, limit=_LIMIT)
    if data is None and name == DEFAULT:
        name = DEFAULT.lower()
        data = await context.read(name, limit=_LIMIT)
    if data is None:
        raise NoDockerfile(f"Cannot locate specified Dockerfile: {wanted}")
    if not data:
        raise InvalidArgument(f"the Dockerfile ({wanted}) cannot be empty")
    ignore = await context.read(f"{name}{_IGNORE}", limit=_LIMIT)
    if ignore is None:
        ignore = await context.read(_IGNORE, limit=_LIMIT)
    return Definition(data, name, ignore)
