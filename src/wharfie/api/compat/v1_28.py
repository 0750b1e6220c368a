"""1.28: output over a websocket comes in binary frames, no longer in text frames."""

from __future__ import annotations

from wharfie.api.compat.change import ATTACH_WEBSOCKET, Change
from wharfie.api.query import Query


def _text_frames(query: Query) -> None:
    query.values["text-frames"] = ["1"]


CHANGE = Change(version=(1, 28), queries={ATTACH_WEBSOCKET: _text_frames})
