import os
from pathlib import Path

import pytest

from wharfie.drivers.runtime.layout import Layout

ID = "a" * 64


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(str(tmp_path / "exec"))
    made.prepare()
    return made


def test_a_bundle_goes_and_may_be_gone(layout: Layout) -> None:
    os.makedirs(f"{layout.bundle(ID)}/rootfs")
    Path(layout.bundle(ID), "config.json").write_text("{}")
    layout.remove_bundle(ID)
    layout.remove_bundle(ID)
    assert os.listdir(layout.bundles) == []


def test_files_below_a_left_root_mount_are_never_removed(layout: Layout) -> None:
    os.makedirs(f"{layout.bundle(ID)}/rootfs")
    Path(layout.bundle(ID), "rootfs", "precious").write_text("data")
    layout.remove_bundle(ID)
    assert not Path(layout.bundle(ID)).exists()  # so that the container can be started again
    (kept,) = Path(layout.bundles).iterdir()
    assert Path(kept, "rootfs", "precious").read_text() == "data"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"linux": 5}', "{}"])
def test_an_unreadable_bundle_names_no_cgroup(layout: Layout, content: str) -> None:
    os.mkdir(layout.bundle(ID))
    Path(layout.bundle(ID), "config.json").write_text(content)
    assert layout.cgroup_path(ID) == ""


def test_known_are_containers_only(layout: Layout) -> None:
    other = "b" * 64
    os.mkdir(layout.bundle(ID))
    os.makedirs(f"{layout.state_root('crun')}/{other}")
    os.makedirs(f"{layout.state_root('crun')}/stranger")
    os.makedirs(f"{layout.root}/netns/{'c' * 64}")
    assert sorted(layout.known(["crun", "runc"])) == [(ID, ""), (other, "crun")]


def test_console_sockets_are_short(layout: Layout) -> None:
    assert len(os.path.basename(layout.console(ID))) == 16
