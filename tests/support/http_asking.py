"""Ask an application without a socket: one call, one reply, its body decoded."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from wharfie.model.caller import Caller
from wharfie.web import Body, Hijack, Reply, Request, Response, Stream


def make_request(
    method: str, target: str, body: bytes = b"", *, content_type: str = "application/json"
) -> Request:
    """A request whose body has arrived whole."""
    path, _, query = target.partition("?")
    headers = {"host": "h"}
    if body:
        headers["content-type"] = content_type
    stream = Body(length=len(body), wanted=lambda: None)
    if body:
        stream.push(body)
        stream.finish()
    return Request(
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=stream,
        caller=Caller(transport="unix", uid=0),
    )


async def reply_to(app: Any, method: str, target: str, body: object = None, **options) -> Reply:
    """The reply itself."""
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    reply = app(make_request(method, target, data, **options))
    return await reply if inspect.isawaitable(reply) else reply


async def ask(app: Any, method: str, target: str, body: object = None, **options):
    """Status and decoded body (bytes where it is no JSON, None where there is none)."""
    reply = await reply_to(app, method, target, body, **options)
    match reply:
        case Response():
            data = reply.body
        case Stream():
            data = b"".join([chunk async for chunk in reply.chunks])
        case Hijack():
            return 101, reply
    if not data:
        return reply.status, None
    if reply.content_type == "application/json" and data.count(b"\n") == 1:
        return reply.status, msgspec.json.decode(data)
    return reply.status, data
