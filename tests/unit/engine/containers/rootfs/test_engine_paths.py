"""Which changes of a root file system are the container's own (behaviours 120)."""

from __future__ import annotations

from wharfie.engine.containers.rootfs.engine_paths import without_engine_paths
from wharfie.model.snapshot import Change


def shown(*changes: tuple[int, str]) -> list[str]:
    return [one.path for one in without_engine_paths([Change(path, n) for n, path in changes])]


def test_b120_a_directory_that_only_got_a_mount_point_has_not_changed() -> None:
    assert shown((0, "/etc"), (1, "/etc/hosts"), (1, "/proc")) == []


def test_b120_a_directory_with_a_change_of_its_own_is_shown() -> None:
    assert shown((0, "/etc"), (1, "/etc/hosts"), (1, "/etc/motd")) == ["/etc", "/etc/motd"]


def test_b120_mount_points_of_volumes_are_shown() -> None:
    assert shown((0, "/srv"), (1, "/srv/data"), (2, "/gone")) == ["/srv", "/srv/data", "/gone"]
