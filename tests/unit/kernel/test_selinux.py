"""A host's SELinux, by a tree that looks like one."""

import os
from pathlib import Path

import pytest

from wharfie.kernel import selinux


def a_host(root: Path, *, config: str = "SELINUX=enforcing\nSELINUXTYPE=targeted\n") -> str:
    for name, text in {
        "sys/fs/selinux/enforce": "1",
        "etc/selinux/config": config,
        "etc/selinux/targeted/contexts/lxc_contexts": "process = x",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


def test_contexts_are_found_where_it_is_on(tmp_path: Path) -> None:
    assert selinux.read_contexts(a_host(tmp_path)) == "process = x"
    (tmp_path / "sys/fs/selinux/enforce").unlink()
    assert selinux.read_contexts(str(tmp_path)) is None


@pytest.mark.parametrize("config", ["", "SELINUXTYPE=", "SELINUXTYPE=../../x", "SELINUXTYPE=mls"])
def test_without_a_policy_there_are_none(tmp_path: Path, config: str) -> None:
    assert selinux.read_contexts(a_host(tmp_path, config=config)) is None


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What was labelled, by real path; links stay links."""
    found: dict[str, bytes] = {}

    def real(path: str) -> str:
        folder, name = os.path.split(path)
        return os.path.join(os.path.realpath(folder), name)

    def get(path: str, _name: str, *, follow_symlinks: bool) -> bytes:
        assert not follow_symlinks
        return found.get(real(path), b"")

    def put(path: str, name: str, value: bytes, *, follow_symlinks: bool) -> None:
        assert (name, follow_symlinks) == ("security.selinux", False)
        found[real(path)] = value

    monkeypatch.setattr(os, "getxattr", get)
    monkeypatch.setattr(os, "setxattr", put)
    return found


def test_a_tree_is_labelled_and_links_are_not_followed(
    tmp_path: Path, labels: dict[str, bytes]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/secret").touch()
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/file").touch()
    (tree / "link").symlink_to("../out")
    selinux.relabel(str(tree), "u:r:t:s0")
    names = {os.path.relpath(path, tmp_path) for path in labels}
    assert names == {"tree", "tree/a", "tree/a/b", "tree/a/file", "tree/link"}
    assert set(labels.values()) == {b"u:r:t:s0\0"}


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/../usr", "/home"])
def test_what_the_host_needs_is_left_alone(path: str, labels: dict[str, bytes]) -> None:
    with pytest.raises(selinux.RelabelRefused, match="is not allowed"):
        selinux.relabel(path, "u:r:t:s0")
    assert labels == {}
