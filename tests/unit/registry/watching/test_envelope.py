"""Events are spelled as Docker's registry spells them."""

from __future__ import annotations

import json

from support.registry_events import DIGEST, event
from wharfie.model.caller import Caller
from wharfie.registry.ports import ANONYMOUS, EventKind
from wharfie.registry.watching.envelope import encode_events


def one(**changes: object) -> dict:
    data = encode_events([event(**changes)], base="", source="host1", instance="i1")
    (found,) = json.loads(data)["events"]
    assert len(found.pop("id")) == 36
    return found


def test_a_push() -> None:
    assert one() == {
        "timestamp": "2027-01-15T08:00:00.250000Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": DIGEST,
            "size": 42,
            "length": 42,
            "repository": "team/app",
            "url": f"http://reg.example:5000/v2/team/app/manifests/{DIGEST}",
            "tag": "latest",
        },
        "request": {
            "id": "r1",
            "addr": "192.0.2.1:50000",
            "host": "reg.example:5000",
            "method": "PUT",
            "useragent": "docker/28",
        },
        "actor": {"name": "alice"},
        "source": {"addr": "host1", "instanceID": "i1"},
    }


def test_a_mount_names_its_source_and_a_deleted_tag_no_digest() -> None:
    assert one(kind=EventKind.MOUNT, source="a/b")["target"]["fromRepository"] == "a/b"
    gone = one(kind=EventKind.DELETE, digest="", size=0, path="", identity=ANONYMOUS)
    assert gone["target"] == {"repository": "team/app", "tag": "latest"}
    assert gone["actor"] == {}


def test_urls_say_how_the_registry_is_reached() -> None:
    tls = Caller(transport="tls", address="192.0.2.1:1")
    assert one(caller=tls)["target"]["url"].startswith("https://reg.example:5000/v2/")
    data = encode_events([event()], base="https://public.example", source="", instance="")
    assert b"https://public.example/v2/" in data
