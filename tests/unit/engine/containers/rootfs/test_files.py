"""What `diff` shows."""

from __future__ import annotations

from wharfie.engine.containers.rootfs.files import _without_mountpoints
from wharfie.model.snapshot import Change


def shown(*changes: tuple[int, str], mounted: set[str] | None = None) -> list[str]:
    found = [Change(path, kind) for kind, path in changes]
    return [change.path for change in _without_mountpoints(found, mounted or set())]


def test_a_directory_that_only_got_a_mount_point_has_not_changed() -> None:
    assert shown((0, "/etc"), (1, "/etc/hosts"), (1, "/proc")) == []


def test_a_directory_with_a_change_of_its_own_is_shown() -> None:
    assert shown((0, "/etc"), (1, "/etc/hosts"), (1, "/etc/motd")) == ["/etc", "/etc/motd"]


def test_volumes_are_hidden_with_the_directories_made_for_them() -> None:
    changes = [(0, "/srv"), (1, "/srv/data"), (0, "/srv/a"), (2, "/srv/a/gone")]
    assert shown(*changes, mounted={"/srv/data"}) == ["/srv", "/srv/a", "/srv/a/gone"]
