"""1.49: info no longer repeats the versions it expects of its helpers."""

from __future__ import annotations

from wharfie.api.compat.change import INFO, Change, member


def _info(reply: object) -> object:
    if isinstance(reply, dict):
        for name in ("ContainerdCommit", "RuncCommit", "InitCommit"):
            commit = member(reply, name)
            commit["Expected"] = commit.get("ID", "")
    return reply


CHANGE = Change(version=(1, 49), replies={INFO: _info})
