"""`wharfied` with one more socket, through which a test has its solver solve graphs of its own.

One request a connection to `<data-root>/solve.sock`: a line of JSON (see `support.solving`). Every
line that comes back is a message of progress, the last one the outcome. Closing cancels.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from support.solving import Order, Outcome, PlannedVertex
from wharfie.daemon import build_service, wiring
from wharfie.daemon.builds import BuildEngine, BuildPorts, open_builds
from wharfie.daemon.main import main
from wharfie.formats.digest import Digest
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.errors import StepFailed
from wharfie.model.build.graph import Vertex
from wharfie.model.build.plan import BaseImage, PlannedImage
from wharfie.model.build.progress import BuildMessage
from wharfie.model.build.session import ContextTree
from wharfie.model.build.solver import ImageExport, Solved
from wharfie.model.errors import EngineError, NotFound
from wharfie.model.image import ImageDocument, RootFS
from wharfie.model.registry import Credentials

_opened: list[BuildEngine] = []


class Tree:
    """A directory of the test as a received context."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.index = f"{directory}.index" if os.path.exists(f"{directory}.index") else ""

    def file_digest(self, path: str) -> Digest | None:
        return None


class Session:
    """Lends what an order says."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.credentials: Mapping[str, Credentials] = {}

    async def context(self, name: str) -> ContextTree:
        try:
            return Tree(self._order.contexts[name])
        except KeyError:
            raise NotFound(f"no context {name}") from None

    async def secret(self, id_: str) -> bytes | None:
        value = self._order.secrets.get(id_)
        return None if value is None else value.encode()

    async def ssh_agent(self, id_: str) -> int | None:
        path = self._order.agents.get(id_)
        if path is None:
            return None
        agent = socket.socket(socket.AF_UNIX)
        agent.setblocking(False)
        await asyncio.get_running_loop().sock_connect(agent, path)
        return agent.detach()


class Sink:
    """Sends progress as it comes."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def tell(self, message: BuildMessage) -> None:
        kind = type(message).__name__
        self._writer.write(msgspec.json.encode([kind, message]) + b"\n")


def _graph(planned: list[PlannedVertex]) -> list[Vertex]:
    made: list[Vertex] = []
    for one in planned:
        made.append(
            Vertex(
                one.operation,
                [made[number] for number in one.inputs],
                name=one.name,
                ignore_cache=one.ignore_cache,
            )
        )
    return made


async def _solve(order: Order, sink: Sink) -> Outcome:
    (builds,) = _opened
    if order.prune is not None:
        pruned, freed = await builds.records.prune(order.prune)
        return Outcome(pruned=list(pruned), freed=freed, records=list(builds.records.records()))
    vertices = _graph(order.vertices)
    try:
        async with builds.solver.job(Session(order), sink, order.options) as job:
            targets = order.targets or [len(vertices) - 1]
            solved = await asyncio.gather(*(job.solve(vertices[number]) for number in targets))
            below = await job.solve(vertices[0])
            image = await _export(builds, order, below, solved[-1], sink)
    except StepFailed as error:
        return Outcome(error=str(error), kind="StepFailed", code=error.exit_code)
    except EngineError as error:
        return Outcome(error=str(error), kind=type(error).__name__)
    except Exception as error:  # noqa: BLE001 - a bug, told to the test
        return Outcome(error=traceback.format_exc(), kind=type(error).__name__)
    return Outcome(solved=solved, image=image)


async def _export(
    builds: BuildEngine, order: Order, below: Solved, solved: Solved, sink: Sink
) -> str:
    if not order.names:
        return ""
    document = order.document or ImageDocument(
        os="linux", architecture="amd64", created="2026-01-01T00:00:00Z"
    )
    planned = PlannedImage(
        platform=Platform(os="linux", architecture="amd64"),
        root=None,
        document=document,
        base=BaseImage(
            reference="docker.io/library/base:latest",
            identifier="",
            digest=Digest("sha256:" + "0" * 64),
            document=ImageDocument(rootfs=RootFS(diff_ids=[one.diff_id for one in below.layers])),
        ),
        instructions=[],
    )
    export = ImageExport(
        planned=planned,
        solved=solved,
        names=order.names,
        squash=order.squash,
        inline_cache=order.inline_cache,
    )
    return await builds.exporter.export(export, sink)


async def _serve(data_root: str) -> asyncio.Server:
    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        order = msgspec.json.decode(await reader.readline(), type=Order)
        work = asyncio.ensure_future(_solve(order, Sink(writer)))
        gone = asyncio.ensure_future(reader.read())
        await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        else:
            outcome = work.result()
            writer.write(msgspec.json.encode(["Outcome", outcome]) + b"\n")
            with suppress(ConnectionError):
                await writer.drain()
        gone.cancel()
        writer.close()

    path = os.path.join(data_root, "solve.sock")
    with suppress(FileNotFoundError):
        os.unlink(path)
    return await asyncio.start_unix_server(on_client, path, limit=1 << 26)


class Builder(wiring._Builder):
    """Opens everything, and then our socket."""

    async def open(self, warnings: object) -> object:
        services = await super().open(warnings)
        self.server = await _serve(self._config.data_root)  # gone, it would stop serving
        return services


def _open_builds(ports: BuildPorts) -> BuildEngine:
    _opened.append(open_builds(ports))
    return _opened[0]


def run() -> None:
    """Be the daemon."""
    wiring._Builder = Builder
    build_service.open_builds = _open_builds
    sys.exit(main())
