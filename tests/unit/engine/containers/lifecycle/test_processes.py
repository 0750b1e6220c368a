"""Reading `ps`."""

from __future__ import annotations

import pytest

from wharfie.engine.containers.lifecycle.processes import check_arguments, parse
from wharfie.model.errors import InvalidArgument

OUTPUT = """UID          PID    PPID CMD
root           1       0 /sbin/init splash
root          42       1 sleep 9
"""


def test_rows_of_the_container_are_kept_with_spaces_in_the_last_column() -> None:
    listed = parse(OUTPUT, {1})
    assert listed.titles == ["UID", "PID", "PPID", "CMD"]
    assert listed.processes == [["root", "1", "0", "/sbin/init splash"]]


@pytest.mark.parametrize("output", ["", "UID CMD\nroot x\n"])
def test_output_without_a_pid_column_is_refused(output: str) -> None:
    with pytest.raises(InvalidArgument, match="Couldn't find PID field"):
        parse(output, {1})


def test_a_renamed_pid_column_is_refused() -> None:
    assert check_arguments("") == ["-ef"]
    assert check_arguments("-o pid,comm") == ["-o", "pid,comm"]
    with pytest.raises(InvalidArgument):
        check_arguments("-o pid=Process")
