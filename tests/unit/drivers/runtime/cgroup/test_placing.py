"""Where groups of containers are, under either driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharfie.drivers.runtime.cgroup.placing import (
    CgroupDriver,
    check_parent,
    choose_driver,
    group_path,
    spec_path,
)
from wharfie.model.errors import InvalidArgument

CGROUPFS, SYSTEMD = CgroupDriver.CGROUPFS, CgroupDriver.SYSTEMD


@pytest.mark.parametrize(
    ("driver", "parent", "spec", "group"),
    [
        (CGROUPFS, "", "/docker/abc", "/docker/abc"),
        (CGROUPFS, "/a/b", "/a/b/abc", "/a/b/abc"),
        (CGROUPFS, "mine", "/mine/abc", "/mine/abc"),
        (SYSTEMD, "", "system.slice:docker:abc", "/system.slice/docker-abc.scope"),
        (SYSTEMD, "a-b.slice", "a-b.slice:docker:abc", "/a.slice/a-b.slice/docker-abc.scope"),
        (SYSTEMD, "-.slice", "-.slice:docker:abc", "/docker-abc.scope"),
    ],
)
def test_b189_the_place_of_a_group(
    driver: CgroupDriver, parent: str, spec: str, group: str
) -> None:
    assert spec_path(driver, parent, "abc") == spec
    assert group_path(spec) == group


@pytest.mark.parametrize(
    ("driver", "parent"),
    [(SYSTEMD, "/docker"), (SYSTEMD, ".slice"), (SYSTEMD, "a/b.slice"), (SYSTEMD, "a--b.slice"),
     (CGROUPFS, "/a/../b")],
)  # fmt: skip
def test_b189_a_parent_the_driver_cannot_use_is_refused(driver: CgroupDriver, parent: str) -> None:
    with pytest.raises(InvalidArgument):
        check_parent(driver, parent)


def test_b189_what_is_asked_for_is_taken_and_v1_is_never_left_to_systemd() -> None:
    assert choose_driver("systemd", cgroup_version=1) is SYSTEMD
    assert choose_driver("cgroupfs", cgroup_version=2) is CGROUPFS
    assert choose_driver("", cgroup_version=1) is CGROUPFS


def test_systemd_is_chosen_where_it_runs_and_can_be_reached(tmp_path: Path) -> None:
    run = str(tmp_path)
    assert choose_driver("", cgroup_version=2, run=run) is CGROUPFS
    (tmp_path / "systemd/system").mkdir(parents=True)
    assert choose_driver("", cgroup_version=2, run=run) is CGROUPFS, "no D-Bus"
    (tmp_path / "dbus").mkdir()
    (tmp_path / "dbus/system_bus_socket").touch()
    assert choose_driver("", cgroup_version=2, run=run) is SYSTEMD
    assert choose_driver("", cgroup_version=1, run=run) is CGROUPFS
