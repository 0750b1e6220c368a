"""The application: finds the route of a request, asks for access, answers, tells observers.

path ─▶ target ─▶ access (one question, everything the request needs) ─▶ route ─▶ reply
             └─▶ a page (token endpoint, metrics, …) when it is outside /v2/
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec import structs

from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports.access import ANONYMOUS, Access, Action, Ask, Asking
from wharfie.registry.ports.pages import Page
from wharfie.registry.ports.storage import NoSuchKey
from wharfie.registry.ports.watching import Observer, Outcome
from wharfie.registry.server.exchange import Exchange
from wharfie.registry.server.refusals import refusal_reply
from wharfie.registry.server.routes import base, blobs, manifests, referrers, tags, uploads
from wharfie.registry.server.services import Services
from wharfie.registry.server.target import Route, Target, parse_target
from wharfie.web.errors import ClientGone, HttpError
from wharfie.web.reply import FilePart, Hijack, Reply, Response, encode_fields
from wharfie.web.request import Request

_log = logging.getLogger(__name__)

Handler = Callable[[Services, Exchange], Awaitable[Reply]]


class Verb(NamedTuple):
    """What answers a method of a route, and what the client must be allowed for it."""

    handler: Handler
    asks: Callable[[Exchange], Sequence[Ask]]


def _nothing(_exchange: Exchange) -> Sequence[Ask]:
    return ()


def _catalogue(_exchange: Exchange) -> Sequence[Ask]:
    return (Ask(Action.CATALOGUE, ""),)


def _pull(exchange: Exchange) -> Sequence[Ask]:
    return (Ask(Action.PULL, exchange.repository),)


def _push(exchange: Exchange) -> Sequence[Ask]:
    # Clients ask token servers for both together, and one who may push may look at it.
    return (Ask(Action.PULL, exchange.repository), Ask(Action.PUSH, exchange.repository))


def _delete(exchange: Exchange) -> Sequence[Ask]:
    return (Ask(Action.DELETE, exchange.repository),)


_VERBS: dict[tuple[Route, str], Verb] = {
    (Route.BASE, "GET"): Verb(base.check, _nothing),
    (Route.CATALOGUE, "GET"): Verb(tags.catalogue, _catalogue),
    (Route.MANIFESTS, "GET"): Verb(manifests.get, _pull),
    (Route.MANIFESTS, "PUT"): Verb(manifests.put, _push),
    (Route.MANIFESTS, "DELETE"): Verb(manifests.delete, _delete),
    (Route.BLOBS, "GET"): Verb(blobs.get, _pull),
    (Route.BLOBS, "DELETE"): Verb(blobs.delete, _delete),
    (Route.UPLOADS, "POST"): Verb(uploads.post, uploads.asks_of_post),
    (Route.UPLOADS, "PATCH"): Verb(uploads.patch, _push),
    (Route.UPLOADS, "PUT"): Verb(uploads.put, _push),
    (Route.UPLOADS, "GET"): Verb(uploads.get, _push),
    (Route.UPLOADS, "DELETE"): Verb(uploads.delete, _push),
    (Route.TAGS, "GET"): Verb(tags.tags, _pull),
    (Route.REFERRERS, "GET"): Verb(referrers.get, _pull),
}


class Application:
    """Answers every request of the registry.

    Args:
        services: what routes work with.
        access: who may do what.
        observers: told of every answer.
        pages: by path, or by prefix where it ends with a slash; outside /v2/.
        headers: fields every answer carries.
    """

    def __init__(
        self,
        services: Services,
        *,
        access: Access,
        observers: Sequence[Observer] = (),
        pages: Mapping[str, Page] | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._services = services
        self._access = access
        self._observers = tuple(observers)
        self._pages = dict(pages or {})
        self._headers = encode_fields(("Docker-Distribution-Api-Version", "registry/2.0"), *headers)

    async def __call__(self, request: Request) -> Reply:
        """Answer a request."""
        begun = time.perf_counter()
        exchange: Exchange | None = None
        code = ""
        try:
            target = parse_target(request.path)
            if target is None:
                reply = await self._page(request)
            else:
                exchange = Exchange(request, target, os.urandom(8).hex())
                reply = self._dressed(await self._serve(exchange))
        except Refused as refused:
            code = str(refused.code)
            reply = refusal_reply(refused, self._headers)
        except ClientGone as gone:
            # Half of it may still be there, and read the answer.
            code = str(Code.BLOB_UPLOAD_INVALID)
            reply = refusal_reply(Refused(Code.BLOB_UPLOAD_INVALID, str(gone)), self._headers)
        except HttpError as error:
            code = str(Code.UNKNOWN)
            reply = refusal_reply(Refused(Code.UNKNOWN, str(error)), self._headers)
            reply = structs.replace(reply, status=error.status)
        except NoSuchKey as gone:
            # It was there when the request began.
            code = str(Code.UNAVAILABLE)
            _log.warning("%s %s: %s went meanwhile", request.method, request.path, gone)
            reply = refusal_reply(Refused(Code.UNAVAILABLE, "try again"), self._headers)
        except OSError as error:
            # A full or broken disk is told as such; the log says which.
            _log.exception("%s %s failed", request.method, request.path)
            code = str(Code.UNAVAILABLE)
            failure = Refused(Code.UNAVAILABLE, f"storage failed: {error.strerror or error}")
            reply = refusal_reply(failure, self._headers)
        sent = len(reply.body) if isinstance(reply, Response) else -1
        self._tell(request, exchange, status=_status_of(reply), begun=begun, code=code, sent=sent)
        return reply

    async def _serve(self, exchange: Exchange) -> Reply:
        request, target = exchange.request, exchange.target
        method = "GET" if request.method == "HEAD" else request.method
        verb = _VERBS.get((target.route, method))
        if verb is None:
            raise _unsupported(target, request.method)
        asking = _asking(request)
        decision = await self._access.decide(asking, verb.asks(exchange))
        exchange.identity = decision.identity
        exchange.granted = decision.granted
        exchange.visible = partial(self._access.visible, asking)
        return await verb.handler(self._services, exchange)

    async def _page(self, request: Request) -> Reply:
        page = self._pages.get(request.path)
        if page is None:
            prefix = request.path
            while page is None and "/" in prefix:
                prefix = prefix.rpartition("/")[0]
                page = self._pages.get(f"{prefix}/")
        if page is None:
            raise Refused(Code.NAME_UNKNOWN, "nothing is served here: the API is below /v2/")
        return await page(request)

    def _dressed(self, reply: Reply) -> Reply:
        return structs.replace(reply, headers=self._headers + reply.headers)

    def _tell(
        self,
        request: Request,
        exchange: Exchange | None,
        *,
        status: int,
        begun: float,
        code: str = "",
        sent: int = 0,
    ) -> None:
        if not self._observers:
            return
        length = request.body.length
        outcome = Outcome(
            caller=request.caller,
            identity=exchange.identity if exchange else ANONYMOUS,
            method=request.method,
            path=request.path,
            query=request.query,
            route=str(exchange.target.route) if exchange else "page",
            repository=exchange.repository if exchange else "",
            status=status,
            code=code,
            received=-1 if length is None else length,
            sent=sent,
            seconds=time.perf_counter() - begun,
            user_agent=request.headers.get("user-agent", ""),
            referer=request.headers.get("referer", ""),
            host=request.headers.get("host", ""),
            request_id=exchange.request_id if exchange else "",
            time=time.time(),
        )
        for observer in self._observers:
            observer.answered(outcome)


def _asking(request: Request) -> Asking:
    return Asking(
        caller=request.caller,
        method=request.method,
        path=request.path,
        headers=request.headers,
        host=request.headers.get("host", ""),
        is_secure=request.caller.transport == "tls",
    )


def _unsupported(target: Target, method: str) -> Refused:
    allowed = [verb for route, verb in _VERBS if route is target.route]
    if "GET" in allowed:
        allowed.append("HEAD")
    return Refused(
        Code.UNSUPPORTED,
        f"{method[:20]} is not supported here",
        headers=[("Allow", ", ".join(allowed))],
    )


def _status_of(reply: Reply) -> int:
    return 101 if isinstance(reply, Hijack) else reply.status


def _sent_by(reply: Reply) -> int:
    match reply:
        case Response():
            return len(reply.body)
        case FilePart():
            return reply.length
        case _:
            return -1
