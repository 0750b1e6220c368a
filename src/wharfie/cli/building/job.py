"""One build as the client drives it over a session: lend, ask, follow, report."""

from __future__ import annotations

import os
import time

from wharfie.cli.building.digests import DigestCache
from wharfie.cli.building.lender import Lender, Refused
from wharfie.cli.building.lent import Agents, Output, Outputs, Secrets
from wharfie.cli.building.sending import ContextSender
from wharfie.cli.building.tree import IGNORE, LocalTree
from wharfie.cli.errors import CommandError
from wharfie.cli.output.values import mapping, objects, sequence, text
from wharfie.client.daemon import stream_values
from wharfie.formats import session
from wharfie.formats.gojson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from wharfie.cli.building.lender import Line
    from wharfie.cli.building.query import Query
    from wharfie.cli.building.sources import Source
    from wharfie.cli.context import Context
    from wharfie.cli.output.building.vertices import Vertex, Vertices

    class Progress(Protocol):
        """Shows a build."""

        vertices: Vertices

        def take(self, message: Mapping[str, object]) -> None: ...
        def show(self, vertex: Vertex) -> None: ...
        def note(self, text: str) -> None: ...
        def finish(self) -> None: ...


_URLS = ("docker-image://", "http://", "https://", "git://", "git@", "oci-layout://", "target:")


class Result:
    """What a build came to."""

    def __init__(self) -> None:
        self.image = ""
        self.names: list[str] = []
        self.report: dict[str, str] = {}
        self.warnings: list[Mapping[str, object]] = []
        self.unused: list[str] = []
        self.problem: Mapping[str, object] | None = None
        """The last message of a failed build."""


class SessionBuild:
    """A build at a daemon that takes sessions.

    Args:
        context: where the daemon is.
        source: what is built from.
        query: the parameters.
        progress: shows how it goes.
    """

    def __init__(self, context: Context, source: Source, query: Query, progress: Progress) -> None:
        self._context = context
        self._source = source
        self._query = query
        self._progress = progress
        self._named: dict[str, LocalTree] = {}
        self.secrets = Secrets([])
        self.agents = Agents([])
        self.outputs: list[Output] = []

    def add_context(self, text: str) -> None:
        """Take a `--build-context name=value`.

        Raises:
            CommandError: malformed, or no folder.
        """
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CommandError(f"invalid context value: {text}, expected key=value")
        known = self._query.get("contexts")
        contexts = dict(_pairs(known)) if isinstance(known, str) else {}
        if value.startswith(_URLS) or value.endswith(".git"):
            contexts[name] = value
        else:
            if not os.path.isdir(value):
                raise CommandError(f"failed to get build context {name}: {value} is no folder")
            contexts[name] = f"local://{name}"
            ignore = _optional(os.path.join(value, IGNORE))
            self._named[name] = LocalTree(os.path.realpath(value), ignore=ignore)
        self._query["contexts"] = dumps(contexts)

    def run(self, headers: Mapping[str, str]) -> Result:
        """Build.

        Raises:
            ClientError: the daemon refuses, or is gone.
        """
        id_ = os.urandom(16).hex()
        client = self._context.client
        hijacked = client.hijack(session.PATH, headers={session.ID_FIELD: id_})
        services = {
            "context": self._lend_context,
            "secret": self.secrets.lend,
            "ssh": self.agents.lend,
            "output": Outputs(self.outputs).lend,
        }
        lender = Lender(hijacked, services)
        lender.start()
        try:
            return self._follow({**self._query, "session": id_, "progress": "trace"}, headers)
        finally:
            lender.close()

    def _follow(self, query: Query, headers: Mapping[str, str]) -> Result:
        source = self._source
        if source.tree is not None:
            query["remote"] = session.REMOTE
        elif source.remote:
            query["remote"] = source.remote
        if source.dockerfile not in ("", "Dockerfile"):
            query["dockerfile"] = source.dockerfile
        if self.outputs:
            query["outputs"] = dumps(
                [{"Type": _type(one), "Attrs": one.fields} for one in self.outputs]
            )
        if source.data:
            self._tell_definition()
        sent = {"Content-Type": "application/x-tar", **headers}
        response = self._context.client.call(
            "POST", "/build", query=query, data=source.archive, headers=sent
        )
        result = Result()
        for message in stream_values(response):
            if isinstance(message, dict):
                self._take(message, result)
        self._progress.finish()
        return result

    def _take(self, message: Mapping[str, object], result: Result) -> None:
        if "image" in message:
            found = mapping(message, "image")
            result.image = text(found, "id")
            result.names = [str(name) for name in sequence(found, "names")]
        elif "report" in message:
            result.report = {k: str(v) for k, v in mapping(message, "report").items()}
        elif "warnings" in message:
            result.warnings = objects(message.get("warnings"))
            result.unused = [str(name) for name in sequence(message, "unused")]
        elif "pull" in message:
            self._pulling(mapping(message, "pull"))
        elif "error" in message:
            result.problem = message
        elif not self._is_ours(message):
            self._progress.take(message)

    def _is_ours(self, message: Mapping[str, object]) -> bool:
        """Tell whether it is about a context, of which we know more than the daemon."""
        name = text(mapping(message, "vertex"), "name")
        return name.startswith("[internal] load") and name.endswith("build context")

    def _tell_definition(self) -> None:
        name = os.path.basename(self._source.dockerfile) or "Dockerfile"
        vertex = self._progress.vertices.begin(f"[internal] load build definition from {name}")
        _count(vertex, "transferring dockerfile:", len(self._source.data))
        vertex.completed = time.time()
        self._progress.show(vertex)

    def _pulling(self, message: Mapping[str, object]) -> None:
        vertex = self._progress.vertices.named("pull", "[internal] load base images")
        vertex.started = vertex.started or time.time()
        status = text(message, "status")
        name = f"{text(message, 'id')} {status}".strip()
        detail = mapping(message, "progressDetail")
        current = detail.get("current")
        _count(vertex, name, current if isinstance(current, int) else 0)
        if status.startswith("Status:"):
            vertex.completed = time.time()
        self._progress.show(vertex)

    def _lend_context(self, line: Line, name: str) -> None:
        tree = self._source.tree if name == "context" else self._named.get(name)
        if tree is None:
            raise Refused
        shown = "" if name == "context" else f"{name} "
        vertex = self._progress.vertices.begin(f"[internal] load {shown}build context")

        def progress(sent: int) -> None:
            _count(vertex, "transferring context:", sent, done=False)
            self._progress.show(vertex)

        try:
            ContextSender(tree, DigestCache(tree.root), progress).send(line)
        except CommandError as error:
            vertex.error = str(error)
            raise Refused(str(error)) from None
        except (Refused, OSError) as error:
            vertex.error = str(error)
            raise
        finally:
            vertex.completed = time.time()
            for status in vertex.statuses.values():
                status.completed = vertex.completed
            self._progress.show(vertex)


def _count(vertex: Vertex, name: str, current: int, *, done: bool = True) -> None:
    from wharfie.cli.output.building.vertices import Status

    status = vertex.statuses.setdefault(name, Status(name))
    status.current = current
    status.started = status.started or time.time()
    if done:
        status.completed = time.time()


def _type(output: Output) -> str:
    return output.kind if output.is_streamed or output.kind == "cacheonly" else "image"


def _pairs(encoded: str) -> dict[str, str]:
    from wharfie.formats.gojson import loads

    found = loads(encoded)
    return {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _optional(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
