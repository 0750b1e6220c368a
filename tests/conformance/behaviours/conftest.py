"""The engine the behaviours are asked of: ours, or the one of `BEHAVIOURS_SOCKET`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from support.api import FOREIGN, Api


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    path = FOREIGN or request.getfixturevalue("shared_daemon").socket
    with closing(Api(path)) as made:
        yield made
