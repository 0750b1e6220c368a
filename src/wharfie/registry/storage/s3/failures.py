"""Failures of the object store's library as those the rest of the registry knows."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from wharfie.registry.ports import NoSuchKey

_log = logging.getLogger(__name__)


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Raise NoSuchKey for what is not there, OSError for whatever else goes wrong.

    The library's own texts name buckets and endpoints: they are for the log.
    """
    try:
        yield
    except FileNotFoundError:
        raise NoSuchKey(key) from None
    except (BaseError, ValueError) as error:
        _log.warning("the object store failed at %s: %s", key, error)
        raise OSError(errno.EIO, "the object store does not answer as it should") from None
