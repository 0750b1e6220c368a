"""The short form of `script/chaos`: codes, OOM flags, events and bounds, but no times."""

from __future__ import annotations

import pytest

from support.chaos import Chaos
from support.daemon import Daemon

pytestmark = pytest.mark.root


@pytest.mark.timeout(120)
def test_faults_beside_healthy_containers_end_as_they_must() -> None:
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        chaos = Chaos(daemon, seed=7, healthy=5, seconds=4)
        chaos.run()
        assert chaos.problems == []
        assert all(one.calm and one.disturbed for one in chaos.samples.values())
