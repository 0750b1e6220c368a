"""The application: from a request to an operation, through the gate, and back.

`GET /_ping` is answered from bytes made once. Everything else is routed, its version checked,
its body and query raised to the newest version, decoded to a command, shown to the gate and
handled; the reply is lowered to the asked version and encoded. Only here are errors turned
into answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import msgspec

from wharfie.api.bodies import (
    BODY_TIMEOUT,
    MAX_BODY,
    Document,
    check_content_encoding,
    check_content_type,
    parse_document,
)
from wharfie.api.compat import lower, lower_content_type, raise_document, raise_query
from wharfie.api.listing import ContainerListing
from wharfie.api.logging import log_failure, log_request
from wharfie.api.measuring import Timings
from wharfie.api.operations import (
    JSON,
    TEXT,
    BodyKind,
    Incoming,
    Json,
    Operation,
    Outcome,
)
from wharfie.api.query import Query
from wharfie.api.routes import ALL
from wharfie.api.services import ApiRules, Context, Gate, Graph, NoGraph, Services, admit
from wharfie.api.versions import CEILING, FLOOR, Version, parse_version, spell
from wharfie.formats import session
from wharfie.model.caller import Call
from wharfie.model.errors import EngineError, InvalidArgument, NotModified
from wharfie.model.measures import Measures
from wharfie.model.waits import WaitList
from wharfie.web import (
    Hijack,
    HttpError,
    Match,
    Reply,
    Request,
    Response,
    Router,
    Stream,
    encode_fields,
    split_version,
)
from wharfie.wire.errors import encode_error, status_of

_log = logging.getLogger(__name__)
_BUILDER_VERSION = "1"
"""The classic builder: with "2" the CLI would start a BuildKit session."""


def application(
    services: Services,
    *,
    gate: Gate = admit,
    graph: Graph | None = None,
    rules: ApiRules | None = None,
    waits: WaitList | None = None,
    measures: Measures | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Application:
    """Build the handler a `web.Server` serves.

    Args:
        services: the engine.
        gate: asked before every command is executed.
        graph: knows the directories of layers; None shows none.
        rules: what the administrator says; None serves all versions.
        waits: where requests under way are noted.
        measures: how long some actions take is told to them.
        clock: nanoseconds since the epoch.
    """
    context = Context(
        services=services,
        graph=graph or NoGraph(),
        listing=ContainerListing(services.images, clock=lambda: clock() / 1e9),
        rules=rules or ApiRules(),
    )
    timings = Timings(measures or Measures())
    return Application(context, gate, waits or WaitList(), timings, clock)


class Application:
    """All operations of the Engine API as one handler."""

    def __init__(
        self,
        context: Context,
        gate: Gate,
        waits: WaitList,
        timings: Timings,
        clock: Callable[[], int],
    ) -> None:
        self._context = context
        self.timings = timings
        self.waits = waits
        self._gate = gate
        self._origins = context.rules.origins
        self._clock = clock
        self._router: Router[Operation] = Router()
        for operation in ALL:
            self._router.add(operation.method, operation.pattern, operation)
        server = context.services.system.version().version
        self._headers = encode_fields(
            ("Api-Version", spell(CEILING)),
            ("Docker-Experimental", "true" if context.rules.experimental else "false"),
            ("Ostype", "linux"),
            ("Server", f"Docker/{server} (linux)"),
        )
        self._ping = Response(200, b"OK", TEXT, self._headers + _PING_HEADERS)
        self._head_ping = Response(200, b"", TEXT, self._headers + _PING_HEADERS)

    def __call__(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer a request, or begin to."""
        if request.caller.transport != "unix":
            refusal = self._origins.refusal(request.headers, request.caller.transport)
            if refusal:
                return self._failure(request, 403, refusal)
        if request.path == "/_ping":
            if request.method == "GET":
                return self._ping
            if request.method == "HEAD":
                return self._head_ping
        if request.method == "OPTIONS":
            return Response(200, headers=self._headers)
        text, path = split_version(request.path)
        found = self._router.find(request.method, path)
        if found is None:
            return Response(404, encode_error("page not found"), JSON)
        if found.target.name in _PINGS:
            return self._ping if request.method == "GET" else self._head_ping
        try:
            version = parse_version(text, self._context.rules.floor)
            _check_minimum(found.target, version)
        except InvalidArgument as error:
            return self._refuse(request, error, plain=_is_ancient(text))
        return _Exchange(self, request, found, version).begin()

    def _refuse(self, request: Request, error: EngineError, *, plain: bool = False) -> Response:
        """The answer an error becomes."""
        status = status_of(error)
        if isinstance(error, NotModified):
            return Response(304, headers=self._headers)
        return self._failure(request, status, error.message, plain=plain)

    def _failure(
        self, request: Request, status: int, message: str, *, plain: bool = False
    ) -> Response:
        log_failure(request, status, message)
        if plain:
            return Response(status, f"{message}\n".encode(), TEXT, self._headers)
        return Response(status, encode_error(message), JSON, self._headers)

    @property
    def context(self) -> Context:
        """What handlers are given."""
        return self._context

    @property
    def headers(self) -> bytes:
        """Fields of every answer."""
        return self._headers

    def admit(self, call: Call) -> None:
        """Ask the gate."""
        self._gate(call)

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return self._clock()

    def answer_error(self, request: Request, error: Exception) -> Response:
        """Turn whatever a request raised into its answer."""
        if isinstance(error, EngineError):
            return self._refuse(request, error)
        if isinstance(error, HttpError):
            return self._failure(request, error.status, str(error))
        _log.error("bug in %s %s", request.method, request.path, exc_info=error)
        return self._failure(request, 500, f"internal error: {type(error).__name__}")


class _Exchange:
    """One request on its way down and its reply on its way up."""

    __slots__ = ("_application", "_names", "_operation", "_query", "_request", "_version")

    def __init__(
        self, owner: Application, request: Request, found: Match[Operation], version: Version
    ) -> None:
        self._application = owner
        self._request = request
        self._operation = found.target
        self._names = found.names
        self._version = version
        self._query = Query(request.query)

    def begin(self) -> Reply | Awaitable[Reply]:
        """Answer at once where nothing has to be waited for."""
        if self._operation.body in (BodyKind.JSON, BodyKind.OPTIONAL_JSON):
            return self._with_document()
        log_request(self._request, self._names, b"")
        try:
            outcome = self._execute({})
        except Exception as error:  # noqa: BLE001 # the one edge where errors become answers
            return self._application.answer_error(self._request, error)
        if isinstance(outcome, Json | Response | Stream | Hijack):
            return self._reply(outcome)
        return self._finish(outcome)

    async def _with_document(self) -> Reply:
        request = self._request
        waits = self._application.waits
        wait = waits.begin("request", f"{request.method} {request.path}")
        try:
            document = await self._read_document()
            outcome = self._execute(document)
            if not isinstance(outcome, Json | Response | Stream | Hijack):
                outcome = await outcome
        except Exception as error:  # noqa: BLE001 # the one edge where errors become answers
            return self._application.answer_error(request, error)
        finally:
            waits.end(wait)
        return self._reply(outcome)

    async def _finish(self, pending: Awaitable[Outcome]) -> Reply:
        request = self._request
        waits = self._application.waits
        wait = waits.begin("request", f"{request.method} {request.path}")
        try:
            outcome = await pending
        except Exception as error:  # noqa: BLE001 # the one edge where errors become answers
            return self._application.answer_error(request, error)
        finally:
            waits.end(wait)
        return self._reply(outcome)

    async def _read_document(self) -> Document:
        request, operation = self._request, self._operation
        body = request.body
        content_type = request.headers.get("content-type", "")
        check_content_type(content_type, has_body=body.length != 0)
        check_content_encoding(request.headers.get("content-encoding", ""))
        data = await body.read(limit=MAX_BODY, timeout=BODY_TIMEOUT)
        log_request(request, self._names, data)
        if not data and operation.body is BodyKind.OPTIONAL_JSON:
            return {}
        document = parse_document(data)
        raise_document(operation.name, self._version, document)
        return document

    def _execute(self, document: Document) -> Outcome | Awaitable[Outcome]:
        operation = self._operation
        raise_query(operation.name, self._version, self._query)
        command = operation.decode(
            Incoming(
                names=self._names,
                query=self._query,
                document=document,
                request=self._request,
                now=self._application.now(),
            )
        )
        self._application.admit(
            Call(
                caller=self._request.caller,
                operation=operation.name,
                names=self._names,
                version=spell(self._version),
                command=command,
            )
        )
        application = self._application
        return application.timings.handle(operation, application.context, command)

    def _reply(self, outcome: Outcome) -> Reply:
        headers = self._application.headers
        match outcome:
            case Json():
                value = lower(self._operation.name, self._version, outcome.value)
                return Response(outcome.status, msgspec.json.encode(value) + b"\n", JSON, headers)
            case Response():
                return msgspec.structs.replace(outcome, headers=headers + outcome.headers)
            case Stream() | Hijack():
                kind = lower_content_type(self._version, outcome.content_type)
                return msgspec.structs.replace(
                    outcome, headers=headers + outcome.headers, content_type=kind
                )


_PINGS = frozenset({"GET /_ping", "HEAD /_ping"})
_PING_HEADERS = encode_fields(
    ("Builder-Version", _BUILDER_VERSION),
    ("Cache-Control", "no-cache, no-store, must-revalidate"),
    ("Pragma", "no-cache"),
    ("Swarm", "inactive"),
    (session.HEADER, session.VERSION),
)


def _check_minimum(operation: Operation, version: Version) -> None:
    if version < operation.since:
        raise InvalidArgument(
            f"{operation.name} requires minimum API version {spell(operation.since)}"
        )


def _is_ancient(text: str) -> bool:
    """Tell whether a refused version expects plain text, as all below the floor do."""
    parts = text.split(".")
    return all(part.isdigit() for part in parts) and tuple(map(int, parts)) < FLOOR
