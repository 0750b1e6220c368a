"""Orders to a daemon's solver, from a test: graphs in, progress and outcome out."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from support.daemon import Daemon
from wharfie.model.build.graph import (
    SCRATCH,
    CopyAction,
    ExecOp,
    FileOp,
    Operation,
    SourceOp,
    StepMount,
)
from wharfie.model.build.progress import VertexLog, VertexState, VertexStatus
from wharfie.model.build.solver import CacheRecord, PruneRequest, Solved, SolveOptions
from wharfie.model.image import ImageDocument

TESTS = Path(__file__).parents[1]
_PROGRAM = "from support.solving_daemon import run; run()"
_MESSAGES = {"VertexLog": VertexLog, "VertexState": VertexState, "VertexStatus": VertexStatus}


class PlannedVertex(Struct, kw_only=True):
    """A vertex; inputs are indices of earlier ones."""

    operation: Operation
    inputs: list[int] = field(default_factory=list)
    name: str = ""
    ignore_cache: bool = False


class Order(Struct, kw_only=True):
    """What to solve; the last vertex unless `targets` names others. `prune` does nothing else."""

    vertices: list[PlannedVertex]
    targets: list[int] = field(default_factory=list)
    contexts: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    options: SolveOptions = field(default_factory=SolveOptions)
    names: list[str] = field(default_factory=list)
    document: ImageDocument | None = None
    squash: bool = False
    inline_cache: bool = False
    prune: PruneRequest | None = None


class Outcome(Struct, kw_only=True):
    """How it ended; `error` is "" when it went well."""

    solved: list[Solved] = field(default_factory=list)
    image: str = ""
    error: str = ""
    kind: str = ""
    code: int = 0
    records: list[CacheRecord] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    freed: int = 0


class Solving:
    """An order under way; a context manager that cancels what is not done."""

    def __init__(self, path: Path, order: Order, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(str(path))
        self._socket.sendall(msgspec.json.encode(order) + b"\n")
        self._lines = self._socket.makefile("rb")
        self.states: list[VertexState] = []
        self.logs: list[VertexLog] = []

    def __enter__(self) -> Solving:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go away."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._lines.close()
        self._socket.close()

    def next(self) -> object:
        """The next message."""
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the daemon went away")
        kind, body = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
        if kind == "Outcome":
            return msgspec.json.decode(body, type=Outcome)
        message = msgspec.json.decode(body, type=_MESSAGES[kind])
        if isinstance(message, VertexState):
            self.states.append(message)
        elif isinstance(message, VertexLog):
            self.logs.append(message)
        return message

    def wait_output(self, text: bytes) -> None:
        """Until a step has written something."""
        while text not in self.output:
            message = self.next()
            assert not isinstance(message, Outcome), message

    def outcome(self) -> Outcome:
        """Wait for the end."""
        while True:
            message = self.next()
            if isinstance(message, Outcome):
                return message

    @property
    def output(self) -> bytes:
        """All that steps wrote so far."""
        return b"".join(log.data for log in self.logs)

    def ran(self) -> list[str]:
        """Names of the vertices that were not cached, in the order they ended."""
        return [s.name for s in self.states if s.completed and not s.cached and not s.error]

    def cached(self) -> list[str]:
        """Names of the vertices that were."""
        return [s.name for s in self.states if s.completed and s.cached]


class SolvingDaemon(Daemon):
    """A daemon whose solver can be asked directly."""

    def __init__(self, *flags: str) -> None:
        program = f"import sys; sys.path.insert(0, {str(TESTS)!r}); {_PROGRAM}"
        super().__init__(*flags, program=(sys.executable, "-c", program))

    def begin(self, order: Order, *, timeout: float = 60) -> Solving:
        """Have the solver begin."""
        return Solving(self.data_root / "solve.sock", order, timeout)

    def solve(self, order: Order) -> tuple[Outcome, Solving]:
        """Solve to the end; the conversation is closed and can be looked at."""
        with self.begin(order) as solving:
            return solving.outcome(), solving

    def prune(self, **wanted: object) -> Outcome:
        """Prune the build cache; the records are those left."""
        return self.solve(Order(vertices=[], prune=PruneRequest(**wanted)))[0]

    def image_id(self, name: str = "busybox:latest") -> str:
        """The ID of an image."""
        return self.docker("image", "inspect", "-f", "{{.Id}}", name).stdout.strip()

    def base(self, name: str = "busybox:latest") -> PlannedVertex:
        """A vertex that is an image."""
        identifier = f"docker-image://docker.io/library/{name}@{self.image_id(name)}"
        return PlannedVertex(operation=SourceOp(identifier=identifier), name=f"FROM {name}")


def run(
    script: str, inputs: Sequence[int] = (0,), *, mounts: Sequence[StepMount] = (), **fields: object
) -> PlannedVertex:
    """A vertex that runs a shell script."""
    operation = ExecOp(
        arguments=["/bin/sh", "-c", script], shell=True, mounts=list(mounts), **fields
    )
    return PlannedVertex(operation=operation, inputs=list(inputs), name=f"RUN {script}")


def local(name: str = "context", **attributes: str) -> PlannedVertex:
    """A vertex that is a context."""
    return PlannedVertex(
        operation=SourceOp(identifier=f"local://{name}", attributes=attributes), name=f"[{name}]"
    )


def copy(
    sources: str | Sequence[str],
    destination: str,
    inputs: Sequence[int] = (0, 1),
    *,
    linked: bool = False,
    **fields: object,
) -> PlannedVertex:
    """A vertex that copies files of its second input."""
    paths = [sources] if isinstance(sources, str) else list(sources)
    action = CopyAction(input=1, sources=paths, destination=destination, **fields)
    return PlannedVertex(
        operation=FileOp(actions=[action], linked=linked),
        inputs=list(inputs),
        name=f"COPY {' '.join(paths)} {destination}",
    )


__all__ = ["SCRATCH"]
