"""Health: what is wrong is told to the administrator, that something is wrong to everybody."""

from __future__ import annotations

import json
from pathlib import Path

from support.http_asking import make_request
from wharfie.registry.config.watching import HealthConfig
from wharfie.registry.watching.health import Health

REQUEST = make_request("GET", "/health")


class Storage:
    def __init__(self) -> None:
        self.error: OSError | None = None

    async def probe(self) -> None:
        if self.error:
            raise self.error


async def test_a_storage_that_fails_again_and_again_is_told() -> None:
    storage = Storage()
    health = Health(HealthConfig(threshold=2), storage.probe)
    storage.error = OSError("secret disk is gone")
    await health.look()
    assert (await health.page(REQUEST)).status == 200
    await health.look()
    reply = await health.page(REQUEST)
    assert (reply.status, b"secret" in reply.body) == (503, False)
    details = await health.details(REQUEST)
    assert (details.status, json.loads(details.body)) == (
        503, {"storagedriver": "secret disk is gone"},
    )  # fmt: skip
    storage.error = None
    await health.look()
    assert (await health.page(REQUEST)).body == b'{"status":"ok"}\n'
    assert (await health.details(REQUEST)).body == b"{}"


async def test_a_file_drains_the_host(tmp_path: Path) -> None:
    health = Health(HealthConfig(files={str(tmp_path / "drain"): 1.0}), Storage().probe)
    assert (await health.page(REQUEST)).status == 200
    (tmp_path / "drain").touch()
    assert (await health.page(REQUEST)).status == 503


async def test_without_an_interval_nothing_is_probed() -> None:
    await Health(HealthConfig(interval=0), Storage().probe).run()
