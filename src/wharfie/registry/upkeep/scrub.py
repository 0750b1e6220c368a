"""Scrub: read every blob at a bounded rate, and set aside those whose bytes are not theirs.

A blob that was set aside is unknown from then on: clients push it again, a cache fetches it again.
"""

from __future__ import annotations

import logging
import time

from wharfie.registry.ports.storage import NoSuchKey
from wharfie.registry.storage import Content, layout
from wharfie.registry.upkeep.report import Report

_log = logging.getLogger(__name__)


async def scrub(content: Content, *, rate: int) -> Report:
    """Check every blob.

    Args:
        content: whose.
        rate: bytes a second, 0 for as fast as can be.
    """
    report = Report()
    begun = time.monotonic()
    store = content.store
    for algorithm in await store.names(layout.BLOBS):
        for prefix in await store.names(f"{layout.BLOBS}/{algorithm}"):
            for encoded in await store.names(f"{layout.BLOBS}/{algorithm}/{prefix}"):
                await _check(content, layout.joined(algorithm, encoded), rate, report)
    report.seconds = time.monotonic() - begun
    _log.info("scrubbed: %s", report)
    return report


async def _check(content: Content, digest: str, rate: int, report: Report) -> None:
    try:
        is_sound = await content.blobs.check(digest, rate=rate)
    except NoSuchKey:
        # Collected meanwhile.
        return
    except OSError as error:
        # A disk that cannot read it: broken, but nothing is known to be wrong with its bytes.
        report.problem(f"{digest}: {error.strerror or error}")
        return
    report.checked += 1
    if not is_sound:
        report.broken.append(digest)
