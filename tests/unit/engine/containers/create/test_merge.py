import pytest
from msgspec import UNSET

from wharfie.engine.containers.create.merge import merge_image_config
from wharfie.model.container import Config, HealthConfig
from wharfie.model.image import ImageConfig

IMAGE = ImageConfig(
    user="app",
    exposed_ports={"80/tcp": {}},
    env=["PATH=/bin", "A=image"],
    entrypoint=["/entry"],
    cmd=["serve"],
    volumes={"/data": {}},
    working_dir="/srv",
    labels={"l": "image", "m": "image"},
    stop_signal="SIGINT",
    shell=["/bin/ash", "-c"],
    on_build=["RUN x"],
    healthcheck=HealthConfig(test=["CMD", "true"], interval=5, retries=2),
)


def test_a_silent_user_gets_the_images_config() -> None:
    merged = merge_image_config(Config(), IMAGE)
    assert merged.user == "app"
    assert merged.exposed_ports == {"80/tcp": {}}
    assert merged.env == ["PATH=/bin", "A=image"]
    assert (merged.entrypoint, merged.cmd) == (["/entry"], ["serve"])
    assert merged.volumes == {"/data": {}}
    assert merged.working_dir == "/srv"
    assert merged.labels == {"l": "image", "m": "image"}
    assert merged.stop_signal == "SIGINT"
    assert merged.shell == ["/bin/ash", "-c"]
    assert merged.healthcheck == IMAGE.healthcheck
    assert merged.on_build is None


def test_the_user_wins_and_collections_are_united() -> None:
    user = Config(
        user="root",
        exposed_ports={"81/tcp": {}},
        env=["B=user", "A=user", "EMPTY"],
        volumes={"/logs": {}},
        working_dir="/",
        labels={"l": "user"},
        stop_signal="SIGTERM",
        shell=["/bin/bash"],
        healthcheck=HealthConfig(interval=9),
    )
    merged = merge_image_config(user, IMAGE)
    assert merged.user == "root"
    assert merged.exposed_ports == {"80/tcp": {}, "81/tcp": {}}
    assert merged.env == ["B=user", "A=user", "EMPTY", "PATH=/bin"]
    assert merged.volumes == {"/data": {}, "/logs": {}}
    assert merged.labels == {"l": "user", "m": "image"}
    assert (merged.working_dir, merged.stop_signal) == ("/", "SIGTERM")
    assert merged.shell == ["/bin/bash"]
    assert merged.healthcheck == HealthConfig(test=["CMD", "true"], interval=9, retries=2)


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "expected"),
    [
        (None, None, (["/entry"], ["serve"])),
        (None, ["x"], (["/entry"], ["x"])),
        (["/mine"], None, (["/mine"], None)),
        (["/mine"], ["x"], (["/mine"], ["x"])),
        ([], None, ([], ["serve"])),
        ([""], None, (None, None)),
        ([""], ["x"], (None, ["x"])),
    ],
)
def test_entrypoint_and_command(
    entrypoint: list[str] | None,
    cmd: list[str] | None,
    expected: tuple[list[str] | None, list[str] | None],
) -> None:
    merged = merge_image_config(Config(entrypoint=entrypoint, cmd=cmd), IMAGE)
    assert (merged.entrypoint, merged.cmd) == expected


def test_without_an_image_config_nothing_is_added() -> None:
    merged = merge_image_config(Config(cmd=["x"]), None)
    assert merged == Config(cmd=["x"])
    assert merged.exposed_ports is UNSET


def test_a_disabled_health_check_stays_disabled() -> None:
    merged = merge_image_config(Config(healthcheck=HealthConfig(test=["NONE"])), IMAGE)
    assert merged.healthcheck is not UNSET
    assert merged.healthcheck.test == ["NONE"]


def test_the_image_is_not_shared_with_the_container() -> None:
    merged = merge_image_config(Config(), IMAGE)
    assert merged.env is not None
    merged.env.append("X=1")
    assert IMAGE.env == ["PATH=/bin", "A=image"]
