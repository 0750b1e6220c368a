"""What the daemon, the zygote and the workers tell each other.

All sockets are SOCK_SEQPACKET: one message a packet, JSON, descriptors beside it (SCM_RIGHTS).

    daemon ─ Fork + [control, root, data…] ─▶ zygote          zygote ─ Started, Ready ─▶ daemon
    zygote ─ Forked + [pidfd] ─▶ daemon                       zygote ─ Exited ─▶ daemon
    daemon ─ Job ─▶ worker (its control socket)
    worker ─ Progress* · OpaqueDirectories* + [fds] · Stated? · Wanted* ─▶ daemon
    worker ─ Finished | Failed ─▶ daemon

The job waits in the control socket before the worker exists. Data runs through the third
descriptor: the archive to read, or a pipe to write one to. An archive that is still on its way
is a file, and a fourth descriptor, an eventfd, counts what has come.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct, field

from wharfie.model.archive import Limits, PathStat, RootMount
from wharfie.model.build.files import CopyPlan, MountPoint, Selection

MAX_MESSAGE = 1 << 17
MAX_DESCRIPTORS = 64


class UnpackLayer(Struct, frozen=True, tag=True):
    """Unpack the data descriptor into the root, an overlay layer directory.

    Attributes:
        coming: bytes of the whole where the data descriptor is a file that grows, else None.
    """

    limits: Limits
    coming: int | None = None


class PackLayer(Struct, frozen=True, tag=True):
    """Write the root, an overlay layer directory, as a layer archive without some paths."""

    leave_out: Sequence[str] = ()


class PackTree(Struct, frozen=True, tag=True):
    """Write the whole root as an archive, without what is mounted in it."""


class Stat(Struct, frozen=True, tag=True):
    """Tell about a path."""

    path: str


class CopyOut(Struct, frozen=True, tag=True):
    """Tell about a path, then write it as an archive."""

    path: str


class CopyIn(Struct, frozen=True, tag=True, kw_only=True):
    """Unpack the data descriptor into a directory; `owner` replaces the archive's owners."""

    path: str
    limits: Limits
    no_overwrite_dir_non_dir: bool = False
    owner: tuple[int, int] | None = None


class Checksum(Struct, frozen=True, tag=True, kw_only=True):
    """Sum up chosen files of the root; the data descriptor is an index of known digests."""

    selection: Selection
    root_owned: bool = False


class CopyFiles(Struct, frozen=True, tag=True):
    """Copy chosen files below the data descriptor, a directory, into the root.

    With `has_layer` a second descriptor is the layer that the root's mount writes to.
    """

    plan: CopyPlan
    limits: Limits
    has_layer: bool = False


class MakeDirectories(Struct, frozen=True, tag=True, kw_only=True):
    """Make a directory, and what is missing above it, in the root."""

    path: str
    mode: int
    owner: tuple[int, int]


class WriteFile(Struct, frozen=True, tag=True, kw_only=True):
    """Write the bytes of the data descriptor into a file of the root."""

    path: str
    mode: str
    owner: tuple[int, int]


class FinishLayer(Struct, frozen=True, tag=True, kw_only=True):
    """Remove empty mount points from the root, a layer directory, cut times, and hash it."""

    mount_points: Sequence[MountPoint] = ()
    epoch: int | None = None


BuildTask: TypeAlias = Checksum | CopyFiles | MakeDirectories | WriteFile | FinishLayer


class UnpackContext(Struct, frozen=True, tag=True):
    """Unpack the data descriptor into a tree of a directory of build contexts."""

    number: int
    limits: Limits


class AssembleContext(Struct, frozen=True, tag=True):
    """Make a tree of a manifest read from the data descriptor, with what `Wanted` asks for."""

    number: int
    limits: Limits


Task: TypeAlias = (
    UnpackLayer
    | PackLayer
    | PackTree
    | Stat
    | CopyOut
    | CopyIn
    | UnpackContext
    | AssembleContext
    | BuildTask
)


class Job(Struct, frozen=True, kw_only=True):
    """A task and how the root looks; `memory` is the address space the worker may take."""

    task: Task
    mounts: Sequence[RootMount] = ()
    read_only: bool = False
    memory: int = 1 << 30
    cpu_seconds: int = 3600


class Fork(Struct, frozen=True, tag=True):
    """Make a worker; the descriptors beside it are its own from now on."""

    id: int


class Ready(Struct, frozen=True, tag=True):
    """The zygote has imported everything."""


class Forked(Struct, frozen=True, tag=True):
    """A worker runs; its pidfd is beside the message."""

    id: int


class ForkFailed(Struct, frozen=True, tag=True):
    """The kernel made no worker."""

    id: int
    message: str


class Exited(Struct, frozen=True, tag=True):
    """A worker ended; a negative code is the signal that killed it."""

    id: int
    code: int


class Progress(Struct, frozen=True, tag=True):
    """Still alive and getting on: bytes read so far; sent a few times a second."""

    read: int = 0


class OpaqueDirectories(Struct, frozen=True, tag=True):
    """The directories beside the message hide those below: mark them.

    The mark is a trusted.* attribute, which takes CAP_SYS_ADMIN; workers do without it.
    """


class Stated(Struct, frozen=True, tag=True):
    """What a path is."""

    stat: PathStat


class Wanted(Struct, frozen=True, tag=True):
    """What is lacking of a context (`formats.session.manifest`), to be sent next.

    Attributes:
        files: numbers of files, else of blocks.
        last: nothing more is asked for until it has come.
    """

    files: bool
    numbers: Sequence[int]
    last: bool


class Finished(Struct, frozen=True, tag=True):
    """The job is done; the fields are those of `Unpacked`, where something was unpacked."""

    diff_id: str = ""
    size: int = 0
    entries: int = 0
    length: int = 0


class Failure(enum.StrEnum):
    """Which error class a failed job becomes."""

    INVALID_ARGUMENT = "invalid-argument"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    INTERNAL = "internal"


class Failed(Struct, frozen=True, tag=True):
    """The job failed."""

    failure: Failure
    message: str
    trace: str = field(default="")


FromZygote: TypeAlias = Ready | Forked | ForkFailed | Exited
FromWorker: TypeAlias = Progress | OpaqueDirectories | Stated | Wanted | Finished | Failed

_from_zygote: msgspec.json.Decoder[FromZygote] = msgspec.json.Decoder(FromZygote)
_from_worker: msgspec.json.Decoder[FromWorker] = msgspec.json.Decoder(FromWorker)

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job).decode
decode_fork = msgspec.json.Decoder(Fork).decode
decode_from_zygote = _from_zygote.decode
decode_from_worker = _from_worker.decode
