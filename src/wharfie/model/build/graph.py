"""The graph of a build: operations, and the vertices that join them.

A vertex is named by the digest of what it does and of the vertices it stands on, so that equal
work has one name, in one build or in several at once. An operation makes one root file system
from those of its inputs. Source: BuildKit's LLB (`solver/pb`), reduced to what we execute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property

import msgspec
from msgspec import Struct, field

from wharfie.formats.digest import Digest
from wharfie.formats.oci.descriptor import Platform

SCRATCH = -1
"""Index of an input that is the empty file system."""
EMPTY_SOURCE = "scratch"
"""Identifier of the source that is the empty file system: what steps of `FROM scratch` stand on."""


class SourceOp(Struct, frozen=True, kw_only=True, tag="source"):
    """A root file system from elsewhere.

    Attributes:
        identifier: `scratch`, `docker-image://<canonical reference>@<digest or image ID>`,
            `local://<context name>`, `git://<url>#<ref>:<subdirectory>`, `http(s)://…` (one file).
        attributes: by kind. local: "include", "exclude" (JSON lists of patterns), "follow".
            http: "filename", "checksum", "mode", "uid", "gid". git: "checksum", "keep_git_dir".
        platform: of an image.
    """

    identifier: str
    attributes: dict[str, str] = field(default_factory=dict)
    platform: Platform | None = None


class MountKind(StrEnum):
    """Kinds of mounts of an executed step."""

    BIND = "bind"
    CACHE = "cache"
    TMPFS = "tmpfs"
    SECRET = "secret"  # noqa: S105 - a kind of mount
    SSH = "ssh"


class Sharing(StrEnum):
    """What happens when two steps want one cache mount."""

    SHARED = "shared"
    PRIVATE = "private"
    LOCKED = "locked"


class StepMount(Struct, frozen=True, kw_only=True):
    """One mount of an executed step; the root file system is input 0 and not listed.

    Attributes:
        target: absolute path inside.
        source: input it comes from (bind; cache: what a new cache holds), `SCRATCH` for none.
        selector: path below that input.
        read_only: writes fail; without it a bind's writes are thrown away after the step.
        id: of a cache, secret or ssh socket.
        sharing: of a cache.
        size: bytes a tmpfs may hold, 0 for no limit.
        required: secret, ssh: the step fails without it, else it runs without.
        environment: secret: name of the variable that carries it instead of a file ("" for none).
        mode, uid, gid: of a cache's root, a secret's file, an ssh socket.
    """

    kind: MountKind
    target: str
    source: int = SCRATCH
    selector: str = ""
    read_only: bool = False
    id: str = ""
    sharing: Sharing = Sharing.SHARED
    size: int = 0
    required: bool = False
    environment: str = ""
    mode: int | None = None
    uid: int = 0
    gid: int = 0


class ExecOp(Struct, frozen=True, kw_only=True, tag="exec"):
    """Run a command on input 0; what it changed is the result.

    Attributes:
        arguments: the argument vector.
        environment: in order ("K=V").
        proxies: predefined proxy variables ("K=V"): given to the process, no part of its name.
        user: "name", "uid", "name:group"…, "" for root.
        directory: working directory.
        network: "" (the build's default), "host", "none".
        security: "sandbox" or "insecure".
        devices: CDI names ("vendor.com/class=name").
        mounts: besides the root.
        shell: the arguments are a shell's and a script: how the step's failure is told.
    """

    arguments: list[str]
    environment: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)
    user: str = ""
    directory: str = "/"
    network: str = ""
    security: str = "sandbox"
    devices: list[str] = field(default_factory=list)
    mounts: list[StepMount] = field(default_factory=list)
    shell: bool = False


class CopyAction(Struct, frozen=True, kw_only=True, tag="copy"):
    """Copy paths of an input into the file system.

    Attributes:
        input: index of what is copied from.
        sources: paths or patterns (Go's filepath.Match, and `**`) below that input's root.
        destination: absolute path; a trailing "/" means a directory.
        owner: "user:group" by name or number, resolved in input 0; "" keeps (contexts: root).
        mode: octal ("0644") or symbolic ("u+x,go-w"); "" keeps.
        exclude: patterns not copied.
        unpack: a local archive is unpacked (ADD).
        parents: source directories are made below the destination (`--parents`; "./" pivot).
        contents: a directory source stands for its contents (as COPY does).
        follow: a symlink named as source is followed.
        allow_missing: a pattern that matches nothing is no error.
    """

    input: int
    sources: list[str]
    destination: str
    owner: str = ""
    mode: str = ""
    exclude: list[str] = field(default_factory=list)
    unpack: bool = False
    parents: bool = False
    contents: bool = True
    follow: bool = True
    allow_missing: bool = False


class MakeDirectory(Struct, frozen=True, kw_only=True, tag="mkdir"):
    """Make a directory and its parents; one that is there is left alone."""

    path: str
    mode: int = 0o755
    owner: str = ""


class MakeFile(Struct, frozen=True, kw_only=True, tag="mkfile"):
    """Write a small file (a heredoc)."""

    path: str
    data: bytes
    mode: str = "0644"
    owner: str = ""


class FileOp(Struct, frozen=True, kw_only=True, tag="file"):
    """Change files of input 0 without running anything.

    Attributes:
        actions: one after the other.
        linked: the result is a layer of its own that does not look at input 0 (`--link`):
            it is reused whatever it stands on.
    """

    actions: list[CopyAction | MakeDirectory | MakeFile]
    linked: bool = False


Operation = SourceOp | ExecOp | FileOp


class Vertex:
    """An operation and the vertices it works on; immutable.

    Attributes:
        operation: what is done.
        inputs: input n of the operation.
        name: how progress calls it ("[stage 2/5] RUN make").
        ignore_cache: run it even where a result is there.
    """

    def __init__(
        self,
        operation: Operation,
        inputs: Sequence[Vertex] = (),
        *,
        name: str = "",
        ignore_cache: bool = False,
    ) -> None:
        self.operation = operation
        self.inputs = tuple(inputs)
        self.name = name
        self.ignore_cache = ignore_cache

    @cached_property
    def digest(self) -> Digest:
        """What it does, and to what: equal for equal work."""
        state = hashlib.sha256(msgspec.json.encode(_nameless(self.operation), order="sorted"))
        for vertex in self.inputs:
            state.update(vertex.digest.encode())
        return Digest(f"sha256:{state.hexdigest()}")

    def __repr__(self) -> str:
        return f"<Vertex {self.name or type(self.operation).__name__}>"


def _nameless(operation: Operation) -> Operation:
    """Without what does not decide the result."""
    if isinstance(operation, ExecOp) and operation.proxies:
        return msgspec.structs.replace(operation, proxies=[])
    return operation
