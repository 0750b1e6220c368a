"""Malformed image configs, to the end: what they name of the daemon's does not reach a container.

Source: users.md C6 (CVE-2026-57231, CVE-2016-3697).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.image_archives import config, docker_archive
from support.registry_inside import busybox_layer

pytestmark = pytest.mark.root

CANARY = "CANARY_OF_THE_DAEMON"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CANARY, "leaked")  # in the daemon's environment, and in the client's
        with Daemon() as own:
            own.start()
            yield own


def load(daemon: Daemon, **members: object) -> tuple[int, str]:
    """Load `evil:1`; exit status and what was said."""
    layer = busybox_layer()
    document = config([layer], config={"Cmd": ["/bin/busybox", "env"], **members})
    path = daemon.directory / "evil.tar"
    path.write_bytes(docker_archive([layer], ["evil:1"], image_config=document))
    done = daemon.wharfie("load", "-i", str(path))
    return done.returncode, done.stdout + done.stderr


def run(daemon: Daemon) -> tuple[int, str]:
    done = daemon.wharfie("run", "--rm", "--network", "none", "evil:1")
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("names", [["PATH", CANARY], [CANARY, "A=b", CANARY], ["", CANARY]])
def test_a_variable_without_a_value_takes_none_of_ours(daemon: Daemon, names: list[str]) -> None:
    assert load(daemon, Env=names)[0] == 0
    status, said = run(daemon)
    assert "leaked" not in said
    assert status in (0, 125)


def test_a_variable_with_a_value_has_it(daemon: Daemon) -> None:
    assert load(daemon, Env=["A=b", f"{CANARY}=its own"])[0] == 0
    status, said = run(daemon)
    assert status == 0
    assert {"A=b", f"{CANARY}=its own"} <= set(said.splitlines())


@pytest.mark.parametrize("user", ["0x0", "-1", "4294967296", "root:4294967296", "a\0b", "0:-1"])
def test_users_that_are_none(daemon: Daemon, user: str) -> None:
    assert load(daemon, User=user, Cmd=["/bin/busybox", "id"])[0] == 0
    status, said = run(daemon)
    assert status == 125
    assert "uid=0" not in said


@pytest.mark.parametrize(("user", "uid"), [("0", "uid=0"), ("2147483647", "uid=2147483647")])
def test_users_that_are_some(daemon: Daemon, user: str, uid: str) -> None:
    assert load(daemon, User=user, Cmd=["/bin/busybox", "id"])[0] == 0
    status, said = run(daemon)
    assert status == 0
    assert uid in said


@pytest.mark.parametrize(
    "members",
    [
        {"Entrypoint": {"a": "b"}},
        {"Cmd": [1, 2]},
        {"Env": {"A": "b"}},
        {"Healthcheck": {"Test": "x"}},
        {"Labels": ["a"]},
    ],
)
def test_what_has_another_shape_is_refused_at_the_load(
    daemon: Daemon, members: dict[str, object]
) -> None:
    status, said = load(daemon, **members)
    assert status == 1
    assert "invalid image config" in said


@pytest.mark.parametrize(
    "members",
    [
        {"Healthcheck": {"Test": ["CMD", "x"], "Interval": -5}},
        {"WorkingDir": "relative"},
        {"WorkingDir": "/proc/self/fd/7"},
        {"Volumes": {"../x": {}}},
        {"StopSignal": "SIGNOPE"},
        {"ExposedPorts": {"99999999/tcp": {}}},
    ],
)
def test_what_makes_no_sense_starts_nothing(daemon: Daemon, members: dict[str, object]) -> None:
    assert load(daemon, **members)[0] == 0
    status, said = run(daemon)
    assert status in (125, 126, 127), said
    assert "PATH=" not in said
    assert "internal error" not in said


def test_a_megabyte_of_labels_is_only_large(daemon: Daemon) -> None:
    assert load(daemon, Labels={"a": "x" * (1 << 20)})[0] == 0
    assert run(daemon)[0] == 0
