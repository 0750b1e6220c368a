"""On recorded mount tables and trees of plain files that stand for cgroups."""

import os
from pathlib import Path

import pytest

from wharfie.kernel.cgroups import Cgroup, CgroupHost, FreezeFailed, Hierarchy, parse_mountinfo

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
50 31 0:32 / /other\\040place/memory/copy rw,relatime - cgroup cgroup rw,memory
"""
PURE = "29 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_hybrid_counts_as_version_1() -> None:
    host = CgroupHost(parse_mountinfo(HYBRID))
    assert (host.version, host.is_hybrid) == (1, True)
    assert host.root("cpuacct") == "/sys/fs/cgroup/cpu,cpuacct"
    assert host.root("memory") == "/sys/fs/cgroup/memory"
    assert host.root("pids") is None
    assert len(host.hierarchies) == 4


def test_version_2() -> None:
    host = CgroupHost(parse_mountinfo(PURE))
    assert (host.version, host.is_hybrid) == (2, False)
    assert host.root("memory") == "/sys/fs/cgroup"


def test_mount_points_are_unescaped_and_rubbish_is_skipped() -> None:
    line = "50 31 0:32 / /a\\040b rw - cgroup cgroup rw,memory\nrubbish\n1 2 - x\n"
    assert parse_mountinfo(line) == [Hierarchy(1, "/a b", frozenset({"memory"}))]


@pytest.mark.parametrize("path", ["", "/", "/a/../b", "/./a"])
def test_paths_that_are_no_group(path: str) -> None:
    with pytest.raises(ValueError, match="not a cgroup path"):
        CgroupHost(parse_mountinfo(PURE)).group(path)


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, Cgroup]:
    directory = tmp_path / "docker" / "abc"
    directory.mkdir(parents=True)
    (directory / "cgroup.procs").write_text("12\n7\n0\n")
    (directory / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 2\n")
    (directory / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    (directory / "cgroup.freeze").write_text("0")
    below = directory / "nested"
    below.mkdir()
    (below / "cgroup.procs").write_text("99\n7\n")
    host = CgroupHost([Hierarchy(2, str(tmp_path), frozenset())])
    return directory, host.group("/docker/abc")


def test_pids_of_a_tree(tree: tuple[Path, Cgroup]) -> None:
    assert tree[1].pids() == [7, 12, 99]


def test_oom_kills_of_version_2(tree: tuple[Path, Cgroup]) -> None:
    assert tree[1].oom_kills() == 2


def test_freeze_of_version_2(tree: tuple[Path, Cgroup]) -> None:
    directory, group = tree
    group.freeze(timeout=1)
    assert (directory / "cgroup.freeze").read_text() == "1"
    assert group.is_frozen()


def test_a_freeze_that_does_not_come_is_undone(tree: tuple[Path, Cgroup]) -> None:
    directory, group = tree
    (directory / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    with pytest.raises(FreezeFailed):
        group.freeze(timeout=0.01)
    assert (directory / "cgroup.freeze").read_text() == "0"


def test_kill_of_version_2_is_one_write(tree: tuple[Path, Cgroup]) -> None:
    directory, group = tree
    (directory / "cgroup.kill").write_text("")
    assert group.kill()
    assert (directory / "cgroup.kill").read_text() == "1"


def test_oom_kills_of_version_1(tmp_path: Path) -> None:
    directory = tmp_path / "memory/docker/abc"
    directory.mkdir(parents=True)
    (directory / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    host = CgroupHost([Hierarchy(1, str(tmp_path / "memory"), frozenset({"memory"}))])
    assert host.group("/docker/abc").oom_kills() == 1


def test_freeze_of_version_1(tmp_path: Path) -> None:
    directory = tmp_path / "docker/abc"
    directory.mkdir(parents=True)
    (directory / "freezer.state").write_text("THAWED")
    host = CgroupHost([Hierarchy(1, str(tmp_path), frozenset({"freezer"}))])
    group = host.group("/docker/abc")
    group.freeze(timeout=1)
    assert group.is_frozen()
    group.thaw(timeout=1)
    assert not group.is_frozen()


def test_remove_takes_nested_groups_and_is_repeatable(tmp_path: Path) -> None:
    (tmp_path / "docker/abc/a/b").mkdir(parents=True)
    group = CgroupHost([Hierarchy(2, str(tmp_path), frozenset())]).group("docker/abc")
    assert group.remove(timeout=0)
    assert os.listdir(tmp_path / "docker") == []
    assert group.remove(timeout=0)


def test_remove_says_when_a_group_is_held(tree: tuple[Path, Cgroup]) -> None:
    # Plain files cannot be removed by rmdir, as a group with processes cannot.
    assert not tree[1].remove(timeout=0.01)


def test_a_group_that_is_gone(tmp_path: Path) -> None:
    group = CgroupHost([Hierarchy(2, str(tmp_path), frozenset())]).group("/x")
    assert not group.exists()
    assert group.pids() == []
    assert group.oom_kills() == 0
    assert group.kill()
    with pytest.raises(FileNotFoundError):
        group.freeze(timeout=0)
