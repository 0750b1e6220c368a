from __future__ import annotations

from pathlib import Path

from wharfie.cli.doctor.configuration import unit_command


def test_drop_ins_have_the_last_word(tmp_path: Path) -> None:
    lib, etc = tmp_path / "lib", tmp_path / "etc"
    drop_ins = etc / "w.service.d"
    for folder in (lib, drop_ins):
        folder.mkdir(parents=True)
    where = (str(lib), str(etc))
    assert unit_command("w", where) == []
    (lib / "w.service").write_text("[Service]\nExecStart=/usr/bin/wharfied -H fd:// $OPTIONS\n")
    assert unit_command("w", where) == ["/usr/bin/wharfied", "-H", "fd://"]
    (drop_ins / "b.conf").write_text("[Service]\nExecStart=\nExecStart=/b 'x y'\n")
    (drop_ins / "a.conf").write_text("[Service]\nExecStart=\nExecStart=/a\n")
    assert unit_command("w", where) == ["/b", "x y"]
    (drop_ins / "c.conf").write_text("[Service]\nExecStart='unclosed\n")
    assert unit_command("w", where) == []
