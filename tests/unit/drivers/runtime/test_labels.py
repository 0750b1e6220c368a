"""Labels of containers: categories of their own, and nothing where there is no policy."""

import logging
from pathlib import Path

import pytest

from wharfie.drivers.runtime import labels
from wharfie.drivers.runtime.labels import Labels
from wharfie.formats.selinux import Policy
from wharfie.model.container import MountPoint
from wharfie.model.errors import InvalidArgument

POLICY = Policy.parse("process = u:r:p_t:s0\nfile = u:o:f_t:s0")


def test_without_selinux_options_mean_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        none = Labels.of_host(str(tmp_path))
    assert caplog.messages == ["Docker could not enable SELinux on the host system"]
    assert not none.is_on
    assert none.make(["foo"]) == ("", "")
    none.relabel([MountPoint(type="bind", source="/etc", destination="/x", mode="Z")], "x")


def test_everybody_has_categories_of_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = iter([[5, 3], [5, 3], [9, 8]])
    monkeypatch.setattr(labels.random, "sample", lambda _population, _k: next(pairs))
    maker = Labels(POLICY)
    first, file = maker.make([])
    assert (first, file) == ("u:r:p_t:s0:c3,c5", "u:o:f_t:s0:c3,c5")
    assert maker.make([], [first, ""])[0] == "u:r:p_t:s0:c8,c9"


def test_bad_options_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="Bad label option"):
        Labels(POLICY).make(["foo"])


def test_mounts_are_labelled_as_they_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(labels, "relabel", lambda path, label: done.append((path, label)))
    mounts = [
        MountPoint(type="bind", source="/a", destination="/a", mode="ro,Z"),
        MountPoint(type="bind", source="/b", destination="/b", mode="z"),
        MountPoint(type="bind", source="/c", destination="/c", mode="ro"),
        MountPoint(type="tmpfs", source="", destination="/d", mode="z"),
    ]
    Labels(POLICY).relabel(mounts, "u:o:f_t:s0:c1,c2")
    assert done == [("/a", "u:o:f_t:s0:c1,c2"), ("/b", "u:o:f_t:s0")]
