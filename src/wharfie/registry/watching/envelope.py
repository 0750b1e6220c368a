"""Events as Docker's registry sends them.

    {"events": [{"id", "timestamp", "action", "target": {…}, "request": {…}, "actor": {…},
                 "source": {…}}]}

Source: Docker registry v2, "Work with notifications".
"""

from __future__ import annotations

import datetime
import uuid

import msgspec

from wharfie.registry.ports import Event

MEDIA_TYPE = "application/vnd.docker.distribution.events.v1+json"


def encode_events(events: list[Event], *, base: str, source: str, instance: str) -> bytes:
    """An envelope.

    Args:
        events: in order.
        base: URL of this registry, "" where only what the client called it is known.
        source: this registry's host and port.
        instance: tells one life of the registry from the next.
    """
    return msgspec.json.encode(
        {"events": [_entry(event, base, source, instance) for event in events]}
    )


def _entry(event: Event, base: str, source: str, instance: str) -> dict[str, object]:
    target: dict[str, object] = {"repository": event.repository}
    if event.digest:
        target |= {"mediaType": event.media_type, "digest": event.digest}
    if event.size:
        target |= {"size": event.size, "length": event.size}
    if event.path:
        scheme = "https" if event.caller.transport == "tls" else "http"
        target["url"] = (base or f"{scheme}://{event.host}") + event.path
    if event.tag:
        target["tag"] = event.tag
    if event.source:
        target["fromRepository"] = event.source
    moment = datetime.datetime.fromtimestamp(event.time, datetime.UTC)
    return {
        "id": str(uuid.uuid4()),
        "timestamp": moment.isoformat().replace("+00:00", "Z"),
        "action": str(event.kind),
        "target": target,
        "request": {
            "id": event.request_id,
            "addr": event.caller.address,
            "host": event.host,
            "method": event.method,
            "useragent": event.user_agent,
        },
        "actor": {"name": event.identity.name} if event.identity.name else {},
        "source": {"addr": source, "instanceID": instance},
    }
