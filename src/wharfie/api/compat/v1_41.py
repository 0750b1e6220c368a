"""1.41: a platform may be asked for at create."""

from __future__ import annotations

from wharfie.api.compat.change import CREATE, Change
from wharfie.api.query import Query


def _create(query: Query) -> None:
    query.values.pop("platform", None)


CHANGE = Change(version=(1, 41), queries={CREATE: _create})
