"""Being told of kills for want of memory: v2 on files as the kernel keeps them."""

from __future__ import annotations

import select
from pathlib import Path

import pytest

from wharfie.kernel.cgroups import CgroupHost, Hierarchy
from wharfie.kernel.oom import OomNotifier

EVENTS = "low 0\nhigh 0\nmax {}\noom {}\noom_kill {}\noom_group_kill 0\n"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    group = tmp_path / "docker" / "abc"
    group.mkdir(parents=True)
    file = group / "memory.events"
    file.write_text(EVENTS.format(0, 0, 0))
    return file


def host(events: Path) -> CgroupHost:
    return CgroupHost([Hierarchy(2, str(events.parents[2]), frozenset())])


def is_woken(notifier: OomNotifier) -> bool:
    poll = select.poll()
    poll.register(notifier.fd, select.POLLIN)
    return bool(poll.poll(0))


def test_a_kill_wakes_and_is_told_once(events: Path) -> None:
    notifier = OomNotifier(host(events), "/docker/abc", known=False)
    assert not notifier.check()
    events.write_text(EVENTS.format(3, 0, 0))
    assert is_woken(notifier)
    assert not notifier.take()  # the limit was reached, and nobody killed
    events.write_text(EVENTS.format(4, 1, 1))
    assert is_woken(notifier)
    assert notifier.take()
    assert not is_woken(notifier)
    assert not notifier.take()
    notifier.close()
    notifier.close()


def test_a_kill_before_the_watch_is_news_unless_it_is_known(events: Path) -> None:
    events.write_text(EVENTS.format(1, 1, 1))
    fresh = OomNotifier(host(events), "/docker/abc", known=False)
    adopted = OomNotifier(host(events), "/docker/abc", known=True)
    assert fresh.check()
    assert not adopted.check()
    fresh.close()
    adopted.close()


def test_a_group_that_went_counts_nothing(events: Path) -> None:
    notifier = OomNotifier(host(events), "/docker/abc", known=False)
    events.unlink()
    assert not notifier.take()
    notifier.close()


def test_a_group_that_is_not_there_cannot_be_watched(events: Path) -> None:
    with pytest.raises(OSError, match=r"memory\.events"):
        OomNotifier(host(events), "/docker/gone", known=False)
