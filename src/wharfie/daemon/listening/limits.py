"""How many connections this process can bear."""

from __future__ import annotations

import resource

from wharfie.web import Limits

_MOST = 16384
_FEWEST = 256
_OWN = 1024
"""Descriptors kept for what is not a connection."""
_ENOUGH = 1 << 17


def connection_limits() -> Limits:
    """Bounds of the server, after raising this process's limit of descriptors as far as it goes.

    Neither TCP nor unix sockets may take more than three quarters: what comes over the network
    cannot close the way in for the administrator.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return Limits(connections=max(_FEWEST, min(_MOST, (most - _OWN) * 3 // 4)))
