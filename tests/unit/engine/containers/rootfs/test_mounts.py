"""Grammar of binds and mounts, and what the runtime is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import UNSET

from wharfie.engine.containers.rootfs.mounts import parse, parse_bind, parse_volumes_from
from wharfie.model.container import (
    BindOptions,
    Config,
    CreateSpec,
    HostConfig,
    MountSpec,
    TmpfsOptions,
    VolumeOptions,
)
from wharfie.model.errors import InvalidArgument, NotSupported


def wanted(config: Config | None = None, **host: object):
    return parse(CreateSpec(config=config or Config(), host_config=HostConfig(**host)), [])


def test_an_absolute_source_is_a_host_path_and_is_made() -> None:
    bind = parse_bind("/srv//data/:/data/:ro")
    assert (bind.type, bind.source, bind.destination) == ("bind", "/srv/data", "/data")
    assert bind.read_only
    assert bind.create


def test_another_source_is_a_volume_that_is_filled() -> None:
    bind = parse_bind("cache:/var/cache")
    assert (bind.type, bind.source, bind.copy) == ("volume", "cache", True)
    assert parse_bind("cache:/c:nocopy").copy is False


@pytest.mark.parametrize(
    "text",
    ["/only", ":/data", "/src:", "/a:/b:ro:x", "/foo:rw", "/a:b", "/a:/", "/a:/../..",
     "/a:/b:bogus", "name:/b:rshared"],
)  # fmt: skip
def test_a_bad_bind_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_bind(text)


def test_the_root_cannot_be_a_destination() -> None:
    with pytest.raises(InvalidArgument, match="destination can't be '/'"):
        parse_bind("/a:/b/..")


def test_one_destination_cannot_be_mounted_twice() -> None:
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /data"):
        wanted(binds=["/a:/data"], tmpfs={"/data": ""})


def test_an_image_volume_is_anonymous_unless_something_else_is_mounted_there() -> None:
    config = Config(volumes={"/data": {}, "/other": {}})
    chosen = {w.destination: (w.type, w.source) for w in wanted(config, binds=["/a:/data"])}
    assert chosen == {"/data": ("bind", "/a"), "/other": ("volume", "")}


def test_shallow_destinations_come_first() -> None:
    order = [w.destination for w in wanted(binds=["/a:/x/y/z", "/b:/x", "/c:/x/y"])]
    assert order == ["/x", "/x/y", "/x/y/z"]


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        (MountSpec(type="bind", source="/x"), "field Target must not be empty"),
        (MountSpec(type="bind", target="/x"), "field Source must not be empty"),
        (MountSpec(type="bind", source="x", target="/x"), "must be absolute"),
        (MountSpec(type="bind", source="/nonexistent-9", target="/x"), "does not exist"),
        (MountSpec(type="tmpfs", source="/x", target="/x"), "field Source must not be specified"),
        (MountSpec(type="bogus", source="/x", target="/x"), "mount type unknown"),
    ],
)
def test_a_bad_mount_names_its_type_and_fault(mount: MountSpec, text: str) -> None:
    with pytest.raises(InvalidArgument, match=f'invalid mount config for type "{mount.type}"') as e:
        wanted(mounts=[mount])
    assert text in str(e.value)


def test_a_named_pipe_is_refused_as_not_supported() -> None:
    with pytest.raises(NotSupported):
        wanted(mounts=[MountSpec(type="npipe", source="x", target="/x")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("web", ("web", "rw")), ("web:ro", ("web", "ro")), ("web:z", ("web", "z"))],
)
def test_b117_volumes_from_names_a_container_and_a_mode(
    text: str, expected: tuple[str, str]
) -> None:
    assert parse_volumes_from(text) == expected


@pytest.mark.parametrize("text", ["", "web:xx", "web:ro:z"])
def test_b117_other_modes_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_volumes_from(text)


@pytest.mark.parametrize(
    ("options", "read_only", "text"),
    [
        (BindOptions(read_only_force_recursive=True), False, "mount is not read-only"),
        (
            BindOptions(read_only_force_recursive=True, read_only_non_recursive=True),
            True,
            "cannot both be set",
        ),
        (BindOptions(read_only_force_recursive=True, non_recursive=True), True, "cannot both"),
    ],
)
def test_b118_contradicting_recursion_is_refused(
    options: BindOptions, read_only: bool, text: str
) -> None:
    spec = MountSpec(
        type="bind", source="/", target="/x", read_only=read_only, bind_options=options
    )
    with pytest.raises(InvalidArgument, match=text):
        wanted(mounts=[spec])


@pytest.mark.parametrize("subpath", ["/abs", "a/../../b", ".."])
def test_b033_a_subpath_stays_inside_its_volume(subpath: str) -> None:
    spec = MountSpec(
        type="volume", source="v", target="/x", volume_options=VolumeOptions(subpath=subpath)
    )
    with pytest.raises(InvalidArgument, match="subpath must be a relative path"):
        wanted(mounts=[spec])


@pytest.mark.parametrize("option", ["bogus", "size", "evil=1", "exec=1"])
def test_b193_unknown_tmpfs_options_are_refused(option: str) -> None:
    with pytest.raises(InvalidArgument, match="Invalid tmpfs option"):
        wanted(tmpfs={"/x": option})


def test_a_bind_mount_may_have_its_directory_made(tmp_path: Path) -> None:
    spec = MountSpec(
        type="bind",
        source=str(tmp_path / "new"),
        target="/x",
        bind_options=BindOptions(create_mountpoint=True, propagation="rslave"),
    )
    (bind,) = wanted(mounts=[spec])
    assert (bind.create, bind.options) == (True, ["rslave"])


def test_tmpfs_options_become_mount_options() -> None:
    spec = MountSpec(
        type="tmpfs", target="/x", tmpfs_options=TmpfsOptions(size_bytes=64, mode=0o1777)
    )
    (tmpfs,) = wanted(mounts=[spec])
    assert tmpfs.options == ["size=64", "mode=1777"]


def test_unset_mounts_are_no_mounts() -> None:
    assert wanted(mounts=UNSET) == []
