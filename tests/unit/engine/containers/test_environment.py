"""Environments of processes."""

from __future__ import annotations

from msgspec import structs

from wharfie.engine.containers.environment import (
    DEFAULT_PATH,
    container_environment,
    exec_environment,
)
from wharfie.model.container import Config, Container, HostConfig
from wharfie.model.exec import ExecConfig
from wharfie.model.ids import ContainerId, ImageId

CONTAINER = Container(
    id=ContainerId("c" * 64),
    name="web",
    created="",
    created_at=0,
    path="sh",
    args=[],
    config=Config(env=["A=1", "HOSTNAME=mine", "GONE"]),
    host_config=HostConfig(),
    image=ImageId(""),
    image_ref="",
)


def test_the_order_is_dockers_and_own_values_win_in_place() -> None:
    assert container_environment(CONTAINER, "host") == [
        f"PATH={DEFAULT_PATH}",
        "HOSTNAME=mine",
        "A=1",
    ]


def test_a_terminal_brings_term_and_a_bare_name_takes_away() -> None:
    config = Config(tty=True, env=["PATH", "B=x=y"])
    container = structs.replace(CONTAINER, config=config)
    assert container_environment(container, "h") == ["HOSTNAME=h", "TERM=xterm", "B=x=y"]


def test_an_exec_adds_to_the_containers_environment() -> None:
    config = ExecConfig(cmd=["env"], env=["A=2", "C=3"], tty=True)
    assert exec_environment(CONTAINER, "host", config) == [
        f"PATH={DEFAULT_PATH}",
        "HOSTNAME=mine",
        "TERM=xterm",
        "A=2",
        "C=3",
    ]
