"""SIGHUP: all of it or nothing, and only what a reload may change."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from wharfie.daemon.config import WHARFIED, Config, ConfigError, load_config
from wharfie.daemon.config.flags import parse_flags
from wharfie.daemon.reload import Adopt, Reloader
from wharfie.model.errors import InvalidArgument


class FakeDaemon:
    """Takes up configurations, or refuses."""

    def __init__(self) -> None:
        self.adopted: list[Config] = []
        self.announced: list[dict[str, str]] = []
        self.refusal: Exception | None = None

    async def prepare(self, config: Config) -> Adopt:
        if self.refusal is not None:
            raise self.refusal

        async def adopt() -> None:
            self.adopted.append(config)

        return adopt

    def announce(self, config: Config, attributes: dict[str, str]) -> None:
        assert self.adopted[-1] is config
        self.announced.append(attributes)


class World:
    """A config file that changes under a daemon."""

    def __init__(self, directory: Path, content: object, *flags: str) -> None:
        self.path = directory / "daemon.json"
        self.write(content)
        self.daemon = FakeDaemon()
        self.flags = parse_flags([*flags, "--config-file", str(self.path)])
        config = load_config(self.flags, WHARFIED, {})
        self.reloader = Reloader(config, self.flags, self.daemon, {})

    def write(self, content: object) -> None:
        self.path.write_text(content if isinstance(content, str) else json.dumps(content))

    async def reload(self, content: object) -> bool:
        self.write(content)
        return await self.reloader.reload()

    @property
    def now(self) -> Config:
        return self.reloader.current


async def test_reloadable_options_change_and_are_announced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World(tmp_path, {"labels": ["a=b"]})
    assert await world.reload({"labels": ["c=d"], "debug": True, "shutdown-timeout": 3})
    assert world.now.labels == ["c=d"]
    assert world.now.log_level == "debug"
    assert world.daemon.adopted == [world.now]
    (attributes,) = world.daemon.announced
    assert attributes["labels"] == '["c=d"]'
    assert attributes["debug"] == "true"
    assert attributes["shutdown-timeout"] == "3"
    assert attributes.keys() >= {
        "live-restore", "max-concurrent-downloads", "max-concurrent-uploads",
        "max-download-attempts", "default-stop-timeout", "insecure-registries",
        "registry-mirrors", "features", "runtimes", "default-runtime", "default-shm-size",
        "default-ipc-mode", "default-cgroupns-mode",
    }  # fmt: skip
    first, *_, last = caplog.messages
    assert first == "Got signal to reload configuration"
    assert last.startswith("Reloaded configuration: {")
    assert json.loads(last.partition(": ")[2])["labels"] == ["c=d"]


async def test_debug_taken_back_restores_the_level(tmp_path: Path) -> None:
    world = World(tmp_path, {"debug": True, "log-level": "warn"})
    assert await world.reload({"debug": False, "log-level": "warn"})
    assert world.now.log_level == "warn"


@pytest.mark.parametrize(
    "content",
    [
        '{"labels": ["c=d"],}',
        {"labels": ["c=d"], "nonsense": 1},
        {"labels": ["c=d"], "mtu": -1},
        {"labels": ["c=d"], "icc": False},
        {"labels": ["c=d"], "rootless": True},
    ],
)
async def test_any_mistake_leaves_everything_as_it_was(
    tmp_path: Path, content: object, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, {"labels": ["a=b"]}, "--icc")
    before = world.now
    assert not await world.reload(content)
    assert world.now is before
    assert world.daemon.adopted == world.daemon.announced == []
    assert caplog.records[-1].levelname == "ERROR"
    assert await world.reload({"labels": ["c=d"]})


@pytest.mark.parametrize("refusal", [ConfigError("bad key"), InvalidArgument("no such runtime")])
async def test_a_part_that_cannot_be_made_ready_stops_the_whole(
    tmp_path: Path, refusal: Exception
) -> None:
    world = World(tmp_path, {"labels": ["a=b"]})
    world.daemon.refusal = refusal
    assert not await world.reload({"labels": ["c=d"]})
    assert world.now.labels == ["a=b"]
    assert world.daemon.announced == []


async def test_other_options_wait_for_a_restart_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, {})
    assert await world.reload({"mtu": 1400, "data-root": "/elsewhere", "debug": True})
    assert world.now.mtu == 1500
    assert world.now.data_root == "/var/lib/wharfie"
    assert "changed, but needs a restart of the daemon: data-root, mtu" in caplog.messages


async def test_options_taken_out_stay_but_for_transfer_limits(tmp_path: Path) -> None:
    world = World(tmp_path, {"labels": ["a=b"], "debug": True, "max-concurrent-downloads": 9})
    assert await world.reload({})
    assert world.now.labels == ["a=b"]
    assert world.now.debug
    assert world.now.max_concurrent_downloads == 3


async def test_credentials_stay_out_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World(tmp_path, {"proxies": {"http-proxy": "http://user:secret@proxy"}})
    assert await world.reload(world.path.read_text())
    assert "xxxxx:xxxxx@proxy" in caplog.text
    assert "secret" not in caplog.text
