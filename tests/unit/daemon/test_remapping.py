"""Choosing a range of IDs that nobody has."""

from __future__ import annotations

import pytest

from wharfie.daemon.config import ConfigError
from wharfie.daemon.remapping import next_range, open_remapping
from wharfie.formats.subids import IdRange


def test_a_new_range_begins_behind_all_others() -> None:
    assert next_range("", "") == IdRange(0, 100_000, 65_536)
    assert next_range("a:100000:65536\n", "b:500000:10\nbad\n") == IdRange(0, 500_010, 65_536)


@pytest.mark.parametrize("setting", ["no-such-user-9", "root:no-such-group-9", "4294967000"])
def test_a_user_nobody_knows_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"no such (user|group)"):
        open_remapping(setting)


def test_without_a_setting_nothing_is_mapped() -> None:
    assert open_remapping("") is None
