"""What the registry tells its observers, made up."""

from __future__ import annotations

from wharfie.model.caller import Caller
from wharfie.registry.ports import Event, EventKind, Identity, Outcome

DIGEST = "sha256:" + "a" * 64


def event(**changes: object) -> Event:
    """The push of a manifest."""
    fields: dict[str, object] = {
        "kind": EventKind.PUSH,
        "identity": Identity("alice"),
        "caller": Caller(transport="tcp", address="192.0.2.1:50000"),
        "repository": "team/app",
        "digest": DIGEST,
        "tag": "latest",
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "size": 42,
        "path": f"/v2/team/app/manifests/{DIGEST}",
        "host": "reg.example:5000",
        "method": "PUT",
        "user_agent": "docker/28",
        "request_id": "r1",
        "time": 1_800_000_000.25,
    }
    return Event(**{**fields, **changes})


def outcome(**changes: object) -> Outcome:
    """An answered request."""
    fields: dict[str, object] = {
        "caller": Caller(transport="tcp", address="192.0.2.1:50000"),
        "identity": Identity("alice"),
        "method": "GET",
        "path": "/v2/team/app/manifests/latest",
        "route": "manifests",
        "repository": "team/app",
        "status": 200,
        "sent": 42,
        "seconds": 0.02,
        "user_agent": "docker/28",
        "host": "reg.example:5000",
        "request_id": "r1",
        "time": 1_800_000_000.25,
    }
    return Outcome(**{**fields, **changes})
