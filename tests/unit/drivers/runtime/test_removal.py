"""Sweeping up what containers left."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharfie.drivers.runtime.layout import Layout
from wharfie.drivers.runtime.removal import Remover
from wharfie.kernel.cgroups import CgroupHost
from wharfie.model.runtime import RuntimeInfo


async def test_files_where_a_mount_was_meant_do_not_hinder_a_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    layout = Layout(str(tmp_path))
    layout.prepare()
    runtimes = {"crun": RuntimeInfo("crun", "/usr/bin/crun")}
    remover = Remover(layout, CgroupHost([]), runtimes, "crun")
    lost, clean = "a" * 64, "b" * 64
    for name in (lost, clean):
        (Path(layout.bundle(name)) / "trees" / "0").mkdir(parents=True)
    (Path(layout.bundle(lost)) / "trees" / "0" / "precious").write_text("data")
    await remover.sweep([])
    assert not Path(layout.bundle(clean)).exists()
    assert not Path(layout.bundle(lost)).exists()
    (kept,) = Path(layout.bundles).iterdir()
    assert (kept / "trees" / "0" / "precious").read_text() == "data"
    assert str(kept) in caplog.text
    assert list(layout.known(["crun"])) == []
